use std::sync::{Arc, Mutex};

use super::*;

/// The text that the thread wrote; or a page that refuses to be written.
#[derive(Clone, Default)]
struct Page {
    text: Arc<Mutex<Vec<u8>>>,
    is_full: bool,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_event_is_one_line_whatever_it_tells_of() {
    let page = Page::default();
    let log = Log::start_with(page.clone()).unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(log.clone())
        .event_format(OneLine)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!("cannot read {}", "/tmp/a\n2026-01-01T00:00:00Z  INFO all is well\u{1b}[2J");
    });
    log.say("one\ntwo");
    log.flush(Duration::from_secs(20));
    let text = String::from_utf8(page.text.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [event, said] = lines.as_slice() else { panic!("{text}") };
    let forged = " cannot read /tmp/a\\n2026-01-01T00:00:00Z  INFO all is well";
    assert!(event.contains(forged) && !event.contains(char::is_control), "{event}");
    assert!(event.contains("  WARN "), "{event}");
    assert_eq!(*said, "one\\ntwo");
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_hold_up_nobody() {
    let before = dropped_lines();
    let log = Log::start_with(Page { is_full: true, ..Page::default() }).unwrap();
    log.say("nowhere to go");
    log.flush(Duration::from_secs(20));
    assert!(dropped_lines() > before);

    // A reader that never reads.
    struct Stuck(Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let before = dropped_lines();
    let (go_on, stuck) = mpsc::channel();
    let log = Log::start_with(Stuck(stuck)).unwrap();
    for _ in 0..QUEUE_LINES_MAX + 10 {
        log.say("never read");
    }
    assert!(dropped_lines() >= before + 9);
    log.flush(Duration::from_millis(1));
    drop(go_on);
}
