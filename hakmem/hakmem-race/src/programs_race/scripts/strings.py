"""Text: a log is written, split, searched, replaced and joined; the argument is its lines."""
import re
import sys

levels = ['debug', 'info', 'warning', 'error']
lines = ['%08d %s [%s] request=%d path=/%s/%d took %.3f ms' % (
    i, levels[i % 11 % 4], 'thread-%d' % (i % 17), i * 31, 'ab' * (i % 23), i % 97, i / 3)
    for i in range(int(sys.argv[1]))]
text = '\n'.join(lines)
fields = [line.split(' ') for line in text.split('\n')]
by_level = {level: ' '.join(row[4].upper() for row in fields if row[1] == level)
            for level in levels}
masked = re.sub(r'request=\d+', 'request=*', text)
words = masked.replace('/', ' ').translate({ord('['): None, ord(']'): None}).split()
shortened = ''.join(word[:3].title() for word in words)
encoded = [line.encode('utf-16') for line in lines]
growing = ''
for word in words[:20000]:
    growing = growing + word[-1]
print(len(masked), len(shortened), len(growing), sum(map(len, encoded)),
      sorted((level, len(value)) for level, value in by_level.items()))
