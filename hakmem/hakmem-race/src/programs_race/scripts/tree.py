"""Objects that point to each other: trees grow, lose branches and are walked; cycles are left to
the collector. The argument is the number of trees."""
import sys


class Node:
    def __init__(self, key, parent):
        self.key = key
        self.parent = parent
        self.left = None
        self.right = None
        self.notes = [key]


def insert(root, key):
    node = root
    while True:
        side = 'left' if key < node.key else 'right'
        below = getattr(node, side)
        if below is None:
            setattr(node, side, Node(key, node))
            return
        node = below


def keys(node):
    if node is None:
        return 0
    return 1 + node.key % 3 + keys(node.left) + keys(node.right)


total = 0
state = 99
for tree in range(int(sys.argv[1])):
    root = Node(1 << 22, None)
    for _ in range(6000):
        state = (state * 69069 + 1) & 0xffffffff
        insert(root, state >> 9)
        if state >> 24 == 0:
            # A branch goes, and with it everything below it.
            root.left, root.right = root.right and root.right.left, root.left
    total += keys(root)
print(total)
