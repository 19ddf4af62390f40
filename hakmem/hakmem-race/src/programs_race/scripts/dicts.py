"""Tables: counting, grouping and joining with dicts and sets; the argument is the rounds."""
import sys

state = 12345


def number():
    global state
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return state >> 8


total = 0
for _ in range(int(sys.argv[1])):
    orders = [(number() % 5000, 'item %d' % (number() % 900), number() % 100) for _ in range(9000)]
    counts = {}
    groups = {}
    for customer, item, amount in orders:
        counts[item] = counts.get(item, 0) + amount
        groups.setdefault(customer, {}).setdefault(item, []).append(amount)
    joined = {(customer, item): sum(amounts) for customer, items in groups.items()
              for item, amounts in items.items()}
    total += len(joined) + len(set(counts) & {'item %d' % i for i in range(0, 900, 3)})
    total += sum(sorted(counts.values())[-10:])
print(total)
