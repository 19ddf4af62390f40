use super::*;

#[test]
fn the_library_comes_before_what_was_preloaded() {
    let library = Path::new("/opt/libhakmem_preload.so");
    assert_eq!(preload_value(library, None), "/opt/libhakmem_preload.so");
    assert_eq!(preload_value(library, Some(OsStr::new(""))), "/opt/libhakmem_preload.so");
    let both = preload_value(library, Some(OsStr::new("/lib/a.so /lib/b.so")));
    assert_eq!(both, "/opt/libhakmem_preload.so:/lib/a.so /lib/b.so");
}

#[test]
fn the_assignment_is_quoted_only_if_it_must_be() {
    assert_eq!(shell_assignment(OsStr::new("/opt/lib.so:/a")), "LD_PRELOAD=/opt/lib.so:/a");
    assert_eq!(shell_assignment(OsStr::new("/a b/it's")), r"LD_PRELOAD='/a b/it'\''s'");
}

#[test]
fn it_is_looked_for_beside_the_executable_and_in_lib() {
    let expected = ["/opt/x/bin/libhakmem_preload.so", "/opt/x/lib/hakmem/libhakmem_preload.so"];
    let found = candidates(Path::new("/opt/x/bin/hakmem-top"));
    assert_eq!(found, expected.map(PathBuf::from));
    let test_binary = candidates(Path::new("/t/debug/deps/it-0123"));
    assert_eq!(test_binary[0], PathBuf::from("/t/debug/libhakmem_preload.so"));
}

#[test]
fn a_path_that_ld_preload_cannot_carry_is_refused() {
    let directory = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
    let path = directory.path().join(LIBRARY);
    std::fs::write(&path, "").unwrap();
    assert_eq!(find(Some(&path)), Err(LibraryError::Unloadable(path)));
}

#[test]
fn a_named_library_that_is_missing_is_an_error() {
    let missing = Path::new("/nonexistent/lib.so");
    let error = find(Some(missing)).unwrap_err().to_string();
    assert!(error.starts_with("no allocator library at /nonexistent/lib.so (named by --library)"));
}
