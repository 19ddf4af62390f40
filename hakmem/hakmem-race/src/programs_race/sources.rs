//! The input of the programs: scripts, statements and generated source files, equal in every run.

use std::fmt::Write as _;

/// Converts documents to JSON text and back; the argument is the number of rows.
pub const JSON_SCRIPT: &str = include_str!("scripts/json.py");
/// Counts, groups and joins with dicts and sets; the argument is the number of rounds.
pub const DICTS_SCRIPT: &str = include_str!("scripts/dicts.py");
/// Writes, splits, searches and joins the text of a log; the argument is the number of lines.
pub const STRINGS_SCRIPT: &str = include_str!("scripts/strings.py");
/// Builds trees of objects that point to each other; the argument is the number of trees.
pub const TREE_SCRIPT: &str = include_str!("scripts/tree.py");

/// Statements for sqlite3, which make a table and an index, query them and check everything.
pub fn sql(rows: u64) -> String {
    format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
  INSERT INTO t SELECT i, 'name ' || ((i * 7919) % 200003), i * 0.5 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), min(name), max(name), sum(value) FROM t;
SELECT id FROM t WHERE name = 'name 4242';
PRAGMA integrity_check;
"
    )
}

/// A C file of some 15 lines for each function.
pub fn c_file(functions: u64) -> String {
    let mut text = String::from("#include <stdio.h>\n#include <string.h>\n");
    for number in 0..functions {
        writeln!(
            text,
            "struct s{number} {{ int a[{}]; double b; const char *name; }};\n\
             int f{number}(struct s{number} *s, int n)\n{{\n\
             \tint sum = {number};\n\
             \tfor (int i = 0; i < n; i++) {{\n\
             \t\tswitch ((i * {}) % 5) {{\n\
             \t\tcase 0: sum += s->a[i % {}]; break;\n\
             \t\tcase 1: sum ^= (int)(s->b * i); break;\n\
             \t\tcase 2: sum -= (int)strlen(s->name) + i; break;\n\
             \t\tdefault: sum = sum * 31 + i; break;\n\
             \t\t}}\n\t}}\n\
             \tif (sum > {}) printf(\"%d %s\\n\", sum, s->name);\n\
             \treturn sum;\n}}",
            number % 60 + 1,
            number % 17 + 2,
            number % 60 + 1,
            number * 1000,
        )
        .expect("a string can be written to");
    }
    text
}

/// A Rust library, for any edition since 2015: in each module a type with derived traits, generic
/// code over it, iterators and closures.
pub fn rust_file(modules: u64) -> String {
    let mut text = String::new();
    for number in 0..modules {
        writeln!(
            text,
            "pub mod m{number} {{
    use std::collections::{{BTreeMap, HashMap}};
    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Value {{ Number(u{bits}), Text(String), List(Vec<Value>) }}
    pub fn sum<I: Iterator<Item = Value>>(values: I) -> u{bits} {{
        values.fold({number}, |total, value| match value {{
            Value::Number(one) => total.wrapping_add(one),
            Value::Text(text) => text.bytes().map(|byte| byte as u{bits}).fold(total, |a, b| a ^ b),
            Value::List(list) => total.rotate_left({turn}) ^ sum(Box::new(list.into_iter())
                as Box<dyn Iterator<Item = Value>>),
        }})
    }}
    pub fn index(values: &[Value]) -> BTreeMap<Value, Vec<usize>> {{
        let mut table = HashMap::new();
        for (place, value) in values.iter().enumerate() {{
            table.entry(value.clone()).or_insert_with(Vec::new).push(place);
        }}
        let mut sorted: Vec<_> = table.into_iter().filter(|(_, v)| v.len() > {turn}).collect();
        sorted.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        sorted.into_iter().collect()
    }}
    pub fn report(values: &[Value]) -> String {{
        index(values).iter().map(|(value, at)| format!(\"{{:?}} {{:?}}\\n\", value, at)).collect()
    }}
}}",
            bits = [16, 32, 64, 128][number as usize % 4],
            turn = number % 7 + 1,
        )
        .expect("a string can be written to");
    }
    text
}
