use super::*;

/// How `text` is parsed, if `12` and `odd@name.hakrec` are files.
fn read(text: &str) -> String {
    let is_file = |path: &Path| ["12", "odd@name.hakrec"].iter().any(|it| path == Path::new(it));
    match SideSpec::parse(text, is_file) {
        Ok(spec) => {
            let window = spec.window.map_or("all".into(), |it| format!("{it:?}"));
            format!("{:?} {window}{}", spec.source, if spec.is_live() { ", live" } else { "" })
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
    insta::assert_snapshot!(said.join("\n"), @r#"
    a.hakrec → Recording("a.hakrec") all
    a.hakrec@+10..+20 → Recording("a.hakrec") Between(Some(AfterStart(10.0)), Some(AfterStart(20.0)))
    /tmp/x/a.hakrec@..+20 → Recording("/tmp/x/a.hakrec") Between(None, Some(AfterStart(20.0)))
    a.hakrec@last 5m → Recording("a.hakrec") Last(300.0)
    odd@name.hakrec → Recording("odd@name.hakrec") all
    odd@name.hakrec@+1.. → Recording("odd@name.hakrec") Between(Some(AfterStart(1.0)), None)
    12 → Recording("12") all
    13 → Process(13) all, live
    pid:12 → Process(12) all, live
    13@last 90 → Process(13) Last(90.0)
    pid:13@last 5m → Process(13) Last(300.0)
    agent → Agent all
    agent@last 1h → Agent Last(3600.0)
    agent@+0..+5m → Agent Between(Some(AfterStart(0.0)), Some(AfterStart(300.0)))
    "#);
}

#[test]
fn what_is_no_side_is_quoted_with_a_remedy() {
    let texts = ["", "@last 5m", "pid:", "pid:x", "pid:-1", "a@b", "a@soon..", "agent@last week"];
    let said: Vec<String> = texts.iter().map(|text| format!("{text} → {}", read(text))).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
     → `` does not name a side; give FILE, FILE@FROM..TO, PID, pid:N@last 5m or agent@last 5m
    @last 5m → `@last 5m` does not name a side; give FILE, FILE@FROM..TO, PID, pid:N@last 5m or agent@last 5m
    pid: → `pid:` does not name a process; give a process id, for example pid:4242
    pid:x → `pid:x` does not name a process; give a process id, for example pid:4242
    pid:-1 → `pid:-1` does not name a process; give a process id, for example pid:4242
    a@b → `a@b`: `b` is not a window; give FROM..TO, either of which may be left out, or `last 5m`
    a@soon.. → `a@soon..`: `soon` is not a time; give HH:MM[:SS], RFC 3339 (2026-11-26T10:00:00Z) or +SECONDS
    agent@last week → `agent@last week`: `last week` is not a window; give FROM..TO, either of which may be left out, or `last 5m`
    ");
}
