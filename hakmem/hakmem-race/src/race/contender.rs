//! The contenders: hakmem, the allocators that Debian packages, and those that come as crates.
//!
//! A missing peer does not end the race: its place in the table says why it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::race::peer::{BUILT_PEERS, DEBIAN_PEERS, DebianPeer, Listed, listed};

/// An allocator, and how it is put under a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Name in the table.
    pub name: String,
    /// The file that must turn out to serve `malloc`, with symbolic links resolved.
    pub library: PathBuf,
    /// Whether the library must be preloaded; the C library need not be.
    pub preload: bool,
    /// Whether the allocator counts calls in a telemetry segment, which then must show the
    /// program's calls.
    pub publishes: bool,
    /// A symbol that only this allocator defines, and that the file of `malloc` must define; `None`
    /// if the segment proves more.
    pub marker: Option<&'static str>,
    /// Settings of the allocator, as environment variables.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// A peer that cannot race.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Name in the table.
    pub allocator: String,
    /// What is missing, and how to get it.
    pub reason: String,
}

/// The contenders that race and the peers that cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// hakmem first; the C library, which is always there, last.
    pub contenders: Vec<Contender>,
    /// The peers that cannot race.
    pub absent: Vec<Absent>,
}

/// Why there is no race.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// The C library's file is not where the dynamic linker reports it.
    #[error("ldconfig -p does not know {0}")]
    CLibraryMissing(&'static str),
    /// The preload library is not built.
    #[error(
        "{path} is missing; build it with cargo build --release -p hakmem-preload, or give \
         --hakmem PATH"
    )]
    HakmemMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// `ldconfig -p` does not run.
    #[error("cannot ask ldconfig -p where libraries are: {0}; is libc-bin installed?")]
    Ldconfig(std::io::Error),
}

/// Name of hakmem in the table; it is the first of a [`Field`].
pub const HAKMEM: &str = "hakmem";

const C_LIBRARY: DebianPeer = DebianPeer {
    name: "glibc",
    library: "libc.so.6",
    package: "libc6",
    marker: "__libc_start_main",
};

impl Contender {
    /// hakmem with the settings in `environment`.
    pub fn hakmem(
        name: &str,
        library: &Path,
        environment: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, FieldError> {
        let library = library
            .canonicalize()
            .map_err(|_| FieldError::HakmemMissing { path: library.to_path_buf() })?;
        Ok(Self {
            name: name.to_owned(),
            library,
            preload: true,
            publishes: true,
            marker: None,
            environment,
        })
    }

    fn peer(name: &str, library: PathBuf, marker: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            library,
            preload: name != C_LIBRARY.name,
            publishes: false,
            marker: Some(marker),
            environment: Vec::new(),
        }
    }
}

impl Field {
    /// All contenders; `peers` is the list that the build of the peers from crates left.
    pub fn new(hakmem: &Path, peers: &Path) -> Result<Self, FieldError> {
        let mut field = Self {
            contenders: vec![Contender::hakmem(HAKMEM, hakmem, Vec::new())?],
            absent: Vec::new(),
        };
        let known = linker_cache().map_err(FieldError::Ldconfig)?;
        for peer in DEBIAN_PEERS {
            let library = installed(&known, peer);
            let missing =
                || format!("{} is not installed: apt-get install {}", peer.library, peer.package);
            field.take(peer.name, peer.marker, library.ok_or_else(missing));
        }
        let list = std::fs::read_to_string(peers);
        for peer in BUILT_PEERS {
            let library = match list.as_deref().map(|list| listed(list, peer.name)) {
                Ok(Some(Listed::Library(path))) => path
                    .canonicalize()
                    .map_err(|error| format!("{}: {error}; run .ci/peers --all", path.display())),
                Ok(Some(Listed::Absent(reason))) => Err(reason),
                Ok(None) | Err(_) => Err("it is not built: run .ci/peers --all".to_owned()),
            };
            field.take(peer.name, peer.marker, library);
        }
        let library =
            installed(&known, &C_LIBRARY).ok_or(FieldError::CLibraryMissing(C_LIBRARY.library))?;
        field.take(C_LIBRARY.name, C_LIBRARY.marker, Ok(library));
        Ok(field)
    }

    fn take(&mut self, name: &str, marker: &'static str, library: Result<PathBuf, String>) {
        match library {
            Ok(library) => self.contenders.push(Contender::peer(name, library, marker)),
            Err(reason) => self.absent.push(Absent { allocator: name.to_owned(), reason }),
        }
    }
}

fn installed(known: &str, peer: &DebianPeer) -> Option<PathBuf> {
    find(known, peer.library)?.canonicalize().ok()
}

fn linker_cache() -> std::io::Result<String> {
    // ldconfig lives in a folder that the PATH of ordinary users lacks.
    let output = Command::new("/sbin/ldconfig").arg("-p").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Path of a library of this machine's architecture, in `known`, the output of `ldconfig -p`.
fn find(known: &str, library: &str) -> Option<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { "AArch64" } else { "x86-64" };
    known.lines().find_map(|line| {
        let (name, rest) = line.trim().split_once(" (")?;
        let (kind, path) = rest.split_once(") => ")?;
        (name == library && kind.contains(architecture)).then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_library_is_found_by_name_and_architecture() {
        let known = "2 libs found in cache\n\
            \tlibjemalloc.so.2 (libc6) => /lib/i386-linux-gnu/libjemalloc.so.2\n\
            \tlibjemalloc.so.2 (libc6,x86-64) => /lib/x86_64-linux-gnu/libjemalloc.so.2\n";
        let path = find(known, "libjemalloc.so.2");
        assert_eq!(path, Some(PathBuf::from("/lib/x86_64-linux-gnu/libjemalloc.so.2")));
        assert_eq!(find(known, "libjemalloc.so"), None);
    }

    #[test]
    fn a_missing_preload_library_says_how_to_build_it() {
        let error = Field::new(
            Path::new("/nonexistent/libhakmem_preload.so"),
            Path::new("/nonexistent/list"),
        )
        .unwrap_err();
        assert!(error.to_string().contains("cargo build --release -p hakmem-preload"), "{error}");
    }

    #[test]
    fn a_peer_that_is_not_built_is_absent_and_says_why() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (hakmem, list) = (folder.path().join("libhakmem.so"), folder.path().join("list"));
        std::fs::write(&hakmem, "").expect("the folder can be written to");
        std::fs::write(&list, format!("rpmalloc\t{}\nsnmalloc\t-\tno c++\n", hakmem.display()))
            .expect("the folder can be written to");
        let field = Field::new(&hakmem, &list).expect("hakmem and the C library are there");
        let reason = |name: &str| {
            let absent = field.absent.iter().find(|absent| absent.allocator == name);
            absent.map(|absent| absent.reason.as_str())
        };
        assert_eq!(reason("snmalloc"), Some("no c++"));
        assert_eq!(reason("mimalloc3"), Some("it is not built: run .ci/peers --all"));
        assert_eq!(reason("rpmalloc"), None);
        let names: Vec<&str> = field.contenders.iter().map(|one| one.name.as_str()).collect();
        assert!(names.contains(&"rpmalloc"), "{names:?}");
        assert_eq!((names.first(), names.last()), (Some(&HAKMEM), Some(&"glibc")));
    }
}
