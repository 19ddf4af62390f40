//! The peers by name, and the list that the build of those from crates leaves.
//!
//! Each peer has a marker: a symbol that it defines and no other allocator here does. A file that
//! serves `malloc` and defines the marker therefore contains the allocator's own code.

use std::path::PathBuf;

/// A peer that comes as a Debian package.
#[derive(Clone, Copy, Debug)]
pub struct DebianPeer {
    /// Name in the table.
    pub name: &'static str,
    /// Name by which the dynamic linker knows the library.
    pub library: &'static str,
    /// Package that holds it.
    pub package: &'static str,
    /// Symbol that proves the peer.
    pub marker: &'static str,
}

/// A peer that comes as a crate, and that `peers/build` makes into a library.
#[derive(Clone, Copy, Debug)]
pub struct BuiltPeer {
    /// Name in the table and in the list.
    pub name: &'static str,
    /// Symbol that proves the peer.
    pub marker: &'static str,
}

/// The entry of a peer in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Its library.
    Library(PathBuf),
    /// Why it has none.
    Absent(String),
}

/// Peers from Debian.
pub const DEBIAN_PEERS: &[DebianPeer] = &[
    DebianPeer {
        name: "jemalloc",
        library: "libjemalloc.so.2",
        package: "libjemalloc2",
        marker: "mallctl",
    },
    DebianPeer {
        name: "mimalloc",
        library: "libmimalloc.so.2",
        package: "libmimalloc2.0",
        marker: "mi_version",
    },
    DebianPeer {
        name: "tcmalloc",
        library: "libtcmalloc_minimal.so.4",
        package: "libtcmalloc-minimal4",
        marker: "tc_malloc",
    },
];

/// Peers from crates.
pub const BUILT_PEERS: &[BuiltPeer] = &[
    BuiltPeer { name: "mimalloc3", marker: "mi_version" },
    BuiltPeer { name: "rpmalloc", marker: "rpmalloc" },
    BuiltPeer { name: "snmalloc", marker: "__malloc_end_pointer" },
];

/// The entry of peer `name` in `list`, whose lines are `name TAB library` or `name TAB - TAB
/// reason`; `None` if the list does not name the peer.
pub fn listed(list: &str, name: &str) -> Option<Listed> {
    let rest = list.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))?;
    Some(match rest.strip_prefix("-\t") {
        Some(reason) => Listed::Absent(reason.to_owned()),
        None => Listed::Library(PathBuf::from(rest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_tells_a_library_from_a_reason() {
        let list = "mimalloc3\t/p/libmimalloc3.so\nsnmalloc\t-\tthere is no compiler c++\n";
        let check = |name: &str, expected: Option<Listed>| assert_eq!(listed(list, name), expected);
        check("mimalloc3", Some(Listed::Library(PathBuf::from("/p/libmimalloc3.so"))));
        check("snmalloc", Some(Listed::Absent("there is no compiler c++".to_owned())));
        check("mimalloc", None);
        check("rpmalloc", None);
    }
}
