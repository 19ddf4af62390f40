"""Documents: rows to JSON text and back, twice; the argument is the number of rows."""
import json
import sys

rows = [{'id': i, 'name': 'row %d' % i, 'tags': ['a' * (i % 50), 'b'], 'x': i / 7}
        for i in range(int(sys.argv[1]))]
text = json.dumps(rows)
assert json.loads(text) == rows
print(len(text), sum(row['id'] for row in json.loads(text)))
