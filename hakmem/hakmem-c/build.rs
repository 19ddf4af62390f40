//! Link options of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The library registers hooks with libc, so it must never be unloaded.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    // The number changes when a program that was linked before would no longer work.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libhakmem.so.0");
}
