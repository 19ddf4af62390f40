use super::*;
use crate::os::errno;

#[test]
fn the_last_4095_answers_are_errors() {
    let negated = |value: usize| value.wrapping_neg();
    assert_eq!(outcome(0), Ok(0));
    assert_eq!(outcome(usize::MAX / 2), Ok(usize::MAX / 2));
    assert_eq!(outcome(negated(4096)), Ok(negated(4096)), "a mapping's last possible address");
    assert_eq!(outcome(negated(4095)), Err(Errno(4095)));
    assert_eq!(outcome(negated(1)), Err(Errno(libc::EPERM)));
}

#[test]
fn a_failed_call_leaves_errno_alone() {
    errno::set(libc::EDOM);
    let none = usize::MAX;
    // SAFETY: there is no such descriptor.
    let closed = unsafe { call(libc::SYS_close, [none]) };
    assert_eq!(closed, Err(Errno(libc::EBADF)));
    assert_eq!(errno::get(), libc::EDOM);
}

#[test]
fn all_six_arguments_arrive() {
    const BYTES: usize = 4096;
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    let no_file = -1_isize as usize;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let mapped = unsafe { call(libc::SYS_mmap, [0, BYTES, protection, flags, no_file, 0]) };
    let address = mapped.expect("a page");
    // SAFETY: just mapped.
    unsafe { (address as *mut u8).write(1) };
    // SAFETY: nothing else uses the mapping.
    assert_eq!(unsafe { call(libc::SYS_munmap, [address, BYTES]) }, Ok(0));
    // SAFETY: a new mapping. The kernel refuses an offset inside a page, so the refusal below
    // proves that it saw the last argument.
    let odd = unsafe { call(libc::SYS_mmap, [0, BYTES, protection, flags, no_file, 1]) };
    assert_eq!(odd, Err(Errno(libc::EINVAL)));
}
