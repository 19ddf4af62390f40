use super::*;

/// What a text is read as, where `12` and `odd@name.hakrec` are files.
fn read(text: &str) -> String {
    let is_file = |path: &Path| ["12", "odd@name.hakrec"].iter().any(|it| path == Path::new(it));
    match Subject::parse(text, is_file) {
        Ok(subject) => {
            let window = subject.window.map_or("all".into(), |it| format!("{it:?}"));
            format!("{:?} {window}{}", subject.source, if subject.is_live() { ", live" } else { "" })
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn sides_are_files_processes_or_the_agents_history() {
    let texts = [
        "a.hakrec",
        "a.hakrec@+10..+20",
        "/tmp/x/a.hakrec@..+20",
        "a.hakrec@last 5m",
        "odd@name.hakrec",
        "odd@name.hakrec@+1..",
        "12",
        "13",
        "pid:12",
        "13@last 90",
        "pid:13@last 5m",
        "agent",
        "agent@last 1h",
        "agent@+0..+5m",
    ];
    let said: Vec<String> = texts.iter().map(|text| format!("{text} → {}", read(text))).collect();
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn what_is_no_side_is_quoted_with_a_remedy() {
    let texts = ["", "@last 5m", "pid:", "pid:x", "pid:-1", "a@b", "a@soon..", "agent@last week"];
    let said: Vec<String> = texts.iter().map(|text| format!("{text} → {}", read(text))).collect();
    insta::assert_snapshot!(said.join("\n"), @"");
}
