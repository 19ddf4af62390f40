use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::Locked;

/// Number of times that a thread found a lock taken.
pub(crate) static WAITS: AtomicU32 = AtomicU32::new(0);

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
                        // Long enough for the other threads to sleep, so that they must be woken.
                        thread::sleep(Duration::from_micros(200));
                    }
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(*locked.lock() >= 15_000);
}

#[test]
fn a_lock_that_its_own_thread_holds_is_not_abandoned() {
    let locked = Locked::new(1);
    assert!(!locked.lock.is_mine() && !locked.lock.release_abandoned());
    let guard = locked.lock();
    assert!(locked.lock.is_mine());
    assert!(!locked.lock.release_abandoned());
    assert!(locked.try_lock().is_none(), "the lock was taken from its holder");
    drop(guard);
    assert!(!locked.lock.is_mine());
}

#[test]
fn a_lock_of_another_thread_is_abandoned_also_where_somebody_slept() {
    for sleeps in [false, true] {
        let locked = Locked::new(1);
        let word = thread::scope(|scope| {
            let holder = scope.spawn(|| {
                locked.lock.take();
                assert!(locked.lock.is_mine());
                locked.lock.0.load(Ordering::Relaxed)
            });
            holder.join().expect("nothing panics there")
        });
        assert!(!locked.lock.is_mine());
        if sleeps {
            locked.lock.0.store(word | super::SLEEPERS, Ordering::Relaxed);
        }
        assert!(locked.lock.release_abandoned());
        assert_eq!(*locked.lock(), 1, "the lock is free");
    }
}

/// Runs in a process of its own, which ends.
#[test]
#[ignore = "ends the process; run by the test below"]
fn wait_for_a_lock_of_ones_own() {
    let locked = Locked::new(1);
    let _held = locked.lock();
    locked.lock.take();
}

#[cfg(not(miri))]
#[test]
fn a_thread_that_waits_for_itself_ends_the_process_and_says_why() {
    use std::os::unix::process::ExitStatusExt;
    let name = "lock::tests::wait_for_a_lock_of_ones_own";
    let output = crate::tests::these_tests()
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .expect("the tests run");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let said = std::string::String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a signal handler has interrupted the allocator"), "{said}");
}

#[test]
fn threads_that_live_at_once_have_numbers_of_their_own() {
    let barrier = std::sync::Barrier::new(32);
    let number = || {
        barrier.wait();
        let number = super::holder();
        barrier.wait();
        number
    };
    let numbers: std::collections::HashSet<u32> = thread::scope(|scope| {
        let threads: std::vec::Vec<_> = (0..32).map(|_| scope.spawn(number)).collect();
        threads.into_iter().map(|thread| thread.join().expect("nothing panics there")).collect()
    });
    assert_eq!(numbers.len(), 32);
    assert!(numbers.iter().all(|number| *number > 0 && number & super::SLEEPERS == 0));
}

#[test]
fn threads_whose_descriptors_lie_on_neighbouring_pages_have_numbers_of_their_own() {
    // As for the main thread and the first thread that it starts, and where only the high bits
    // differ.
    let main = 0x7f60_75df_f780;
    for other in [main - 0x1000, main + 0x1000, main - 0x3000, main ^ 1 << 41] {
        assert_ne!(super::number_of(main), super::number_of(other), "{other:#x}");
    }
    assert_ne!(super::number_of(0), 0);
}
