use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Waits until another thread or the kernel has made `condition` true; false after ten seconds.
fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::yield_now();
    }
    false
}

#[test]
fn each_thread_knows_its_id_without_asking() {
    find();
    #[cfg(target_env = "gnu")]
    assert_ne!(DISTANCE.load(Ordering::Relaxed), 0, "glibc's word is found");
    assert_eq!(thread_id(), ask());
    let other = thread::spawn(|| (thread_id(), ask())).join().expect("runs");
    assert_eq!(other.0, other.1);
    assert_ne!(other.0, thread_id());
}

#[test]
fn a_thread_is_said_to_have_ended_when_it_has() {
    find();
    let (tell, told) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        tell.send(Life::of_this_thread()).expect("somebody listens");
        let _ = wait.recv();
    });
    let life = told.recv().expect("the thread tells");
    assert!(!life.has_ended());
    assert!(!is_unknown(life.id));
    drop(go);
    other.join().expect("runs");
    // `join` may return before the kernel has forgotten the id, but not before the word is clear.
    assert!(life.word == 0 || life.has_ended());
    assert!(eventually(|| life.has_ended() && is_unknown(life.id)));
    assert!(!Life::NONE.has_ended());
}

#[test]
fn a_word_that_is_not_mapped_holds_nothing() {
    let word = AtomicU32::new(7);
    let address = word.as_ptr() as usize;
    assert!(holds(address, 7));
    assert!(!holds(address, 8));
    assert!(!holds(4, 0), "an address that is never mapped");
    assert_eq!(word.load(Ordering::Relaxed), 7);
}
