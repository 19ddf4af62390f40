//! The page at `/`: one self-contained document, readable on light and dark screens.

use hakmem_reader::text::is_unsafe;

use crate::shared::Shared;
use crate::status::VERSION;

/// Maximum number of rows in the table; a longer list needs another tool.
const ROWS_MAX: usize = 200;

/// The page with the present state.
pub(crate) fn page(shared: &Shared) -> String {
    let view = shared.current();
    let mut rows = String::new();
    let (ended, running): (Vec<_>, Vec<_>) =
        view.processes.values().partition(|record| record.has_ended());
    for record in running.into_iter().chain(ended).take(ROWS_MAX) {
        let totals = record.totals();
        rows.push_str(&format!(
            "<tr><td class=n>{}<td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}\n",
            record.identity().pid,
            escaped(record.facts.raw.name()),
            record.state.name(),
            totals.allocations,
            totals.slow_allocations,
            totals.live_bytes,
        ));
    }
    let processes = match view.processes.len() {
        0 => "No process runs under hakmem here yet.".to_owned(),
        1 => "1 process.".to_owned(),
        number if number > ROWS_MAX => format!("{number} processes, the first {ROWS_MAX}:"),
        number => format!("{number} processes."),
    };
    TEMPLATE
        .replace("{version}", VERSION)
        .replace("{directory}", &escaped(&shared.status.directory_text()))
        .replace("{processes}", &processes)
        .replace("{rows}", &rows)
}

/// Escapes text for HTML: names come from files that any user may have written.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '{' => out.push_str("&#123;"),
            '"' => out.push_str("&quot;"),
            other if is_unsafe(other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

const TEMPLATE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>hakmem-agent</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
    color: light-dark(#1b1f24, #e6e8eb); background: light-dark(#ffffff, #14171a) }
  a { color: light-dark(#0b57c2, #7db4ff) }
  h1 { font-size: 1.4rem; margin: 0 }
  p.sub { margin: 0 0 1.5rem; color: light-dark(#57606a, #9aa4ae) }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 0 }
  dd { margin: 0 }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; width: 100%; margin-top: .5rem }
  th, td { text-align: left; padding: .25rem .8rem .25rem 0;
    border-bottom: 1px solid light-dark(#d8dee4, #2b3138) }
  .n { text-align: right; font-variant-numeric: tabular-nums }
</style>
<h1>hakmem-agent</h1>
<p class="sub">Version {version}, watching {directory}</p>
<dl>
<dt><a href="/metrics">/metrics</a><dd>for Prometheus: OpenMetrics 1.0 or text 0.0.4
<dt><a href="/api/v1/snapshot">/api/v1/snapshot</a><dd>everything known, as JSON
<dt><a href="/-/healthy">/-/healthy</a><dd>200 while the agent runs
<dt><a href="/-/ready">/-/ready</a><dd>200 once the first scan is done
</dl>
<h2>Processes</h2>
<p>{processes}</p>
<div class="wide"><table>
<tr><th class=n>pid<th>executable<th>state
  <th class=n>allocations<th class=n>slow<th class=n>live bytes
{rows}</table></div>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_cell() {
        assert_eq!(escaped("<b>\"&{rows}\n"), "&lt;b&gt;&quot;&amp;&#123;rows}\u{fffd}");
    }
}
