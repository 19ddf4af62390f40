use super::*;

#[test]
fn a_test_is_an_executable_and_knows_it() {
    let own = Headers::own();
    assert_eq!(own.file.e_ident[..4], *b"\x7fELF");
    assert!(own.are_executables());
    assert!(!own.say_nodelete(), "executables are not linked so");
}

#[test]
fn what_is_here_is_told_from_what_is_in_a_library() {
    assert!(is_own(Headers::own as *const () as usize));
    assert!(!is_own(libc::getpid as *const () as usize));
    assert!(!is_own(8));
}

#[test]
fn functions_of_libraries_are_found_by_name() {
    assert!(symbol_for(None, c"getpid", &[]).is_some());
    assert!(symbol_for(None, c"no_such_function", &[c"libc.so.6", c"no_such.so"]).is_none());
    assert!(symbol_of(c"libc.so.6", c"getpid").is_some());
    assert!(symbol_of(c"no_such.so", c"getpid").is_none());
}
