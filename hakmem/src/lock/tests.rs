use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::Locked;

#[test]
fn a_failed_attempt_leaves_the_lock_with_its_holder() {
    let locked = Locked::new(1);
    let guard = locked.lock();
    assert!(locked.try_lock().is_none());
    assert!(locked.try_lock().is_none(), "the first attempt gave the holder's lock away");
    drop(guard);
    assert_eq!(locked.try_lock().map(|guard| *guard), Some(1));
}

#[test]
fn one_thread_at_a_time_has_the_value() {
    let locked = Locked::new(0_u64);
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 0..4 {
            let (locked, inside) = (&locked, &inside);
            scope.spawn(move || {
                for turn in 0..5000 {
                    let guard = if number == 0 { locked.try_lock() } else { Some(locked.lock()) };
                    let Some(mut guard) = guard else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    *guard += 1;
                    if turn % 1000 == 0 {
                        // Long enough for the others to sleep, so that they must be woken.
                        thread::sleep(Duration::from_micros(200));
                    }
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(*locked.lock() >= 15_000);
}
