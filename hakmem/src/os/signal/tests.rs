#![allow(unsafe_code)]

use super::*;

unsafe extern "C" fn informed(signal: c_int, information: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the structure comes from the kernel.
    let is_whole = unsafe { (*information).si_signo } == signal;
    // SAFETY: no precondition.
    unsafe { libc::_exit(if is_whole { 41 } else { 1 }) }
}

unsafe extern "C" fn plain(signal: c_int) {
    // SAFETY: no precondition.
    unsafe { libc::_exit(if signal == libc::SIGBUS { 42 } else { 1 }) }
}

fn mends_nothing(_: usize) -> bool {
    false
}

/// Wait status of a child that installs `handler` for SIGBUS, then ours, and then raises the
/// signal.
fn after_a_bus_error(handler: usize, flags: c_int) -> c_int {
    // SAFETY: the child makes system calls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: zeros are a valid value.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        // SAFETY: the handler has the type that `flags` announces.
        unsafe { libc::sigaction(libc::SIGBUS, &action, null_mut()) };
        mend_bus_errors(mends_nothing);
        // SAFETY: no precondition.
        unsafe { libc::raise(libc::SIGBUS) };
        // SAFETY: no precondition.
        unsafe { libc::_exit(3) };
    }
    let mut status = 0;
    // SAFETY: the call fills `status`.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

#[test]
fn a_bus_error_of_another_kind_is_left_to_what_was_there_before() {
    let informed = after_a_bus_error(informed as *const () as usize, libc::SA_SIGINFO);
    assert_eq!((libc::WIFEXITED(informed), libc::WEXITSTATUS(informed)), (true, 41));
    let plain = after_a_bus_error(plain as *const () as usize, 0);
    assert_eq!((libc::WIFEXITED(plain), libc::WEXITSTATUS(plain)), (true, 42));
    let default = after_a_bus_error(libc::SIG_DFL, 0);
    assert!(libc::WIFSIGNALED(default) && libc::WTERMSIG(default) == libc::SIGBUS, "{default:#x}");
    let ignored = after_a_bus_error(libc::SIG_IGN, 0);
    assert_eq!((libc::WIFEXITED(ignored), libc::WEXITSTATUS(ignored)), (true, 3));
}
