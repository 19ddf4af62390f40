//! Who races: hakmem and the allocators that Debian packages.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An allocator and how a program gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Name in the table.
    pub name: String,
    /// File that must turn out to serve `malloc`, with symbolic links resolved.
    pub library: PathBuf,
    /// Whether the library must be preloaded; the C library need not be.
    pub preload: bool,
    /// Whether the allocator counts calls in a telemetry segment, which must show the program's.
    pub publishes: bool,
    /// Settings of the allocator, by the names of environment variables.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Contender {
    /// hakmem, with settings of its own.
    pub fn hakmem(
        name: &str,
        library: &Path,
        environment: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, FieldError> {
        let library = library
            .canonicalize()
            .map_err(|_| FieldError::HakmemMissing { path: library.to_path_buf() })?;
        Ok(Self { name: name.to_owned(), library, preload: true, publishes: true, environment })
    }
}

/// Why somebody cannot race.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// A peer's library is not installed.
    #[error("{library} is not installed: apt-get install {package}")]
    PeerMissing {
        /// Name that the dynamic linker knows it by.
        library: &'static str,
        /// Debian package that holds it.
        package: &'static str,
    },
    /// The preload library is not built.
    #[error("{path} is not there: cargo build --release -p hakmem-preload, or say --hakmem PATH")]
    HakmemMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// `ldconfig -p` does not run.
    #[error("cannot ask ldconfig -p where libraries are: {0}; is libc-bin installed?")]
    Ldconfig(std::io::Error),
}

struct Peer {
    name: &'static str,
    library: &'static str,
    package: &'static str,
}

/// The C library's own allocator comes last: it needs no preloading.
const PEERS: &[Peer] = &[
    Peer { name: "jemalloc", library: "libjemalloc.so.2", package: "libjemalloc2" },
    Peer { name: "mimalloc", library: "libmimalloc.so.2", package: "libmimalloc2.0" },
    Peer { name: "tcmalloc", library: "libtcmalloc_minimal.so.4", package: "libtcmalloc-minimal4" },
    Peer { name: "glibc", library: "libc.so.6", package: "libc6" },
];

/// Name of hakmem in the table; it is the first of [`field`].
pub const HAKMEM: &str = "hakmem";

/// Everybody who races, hakmem first.
pub fn field(hakmem: &Path) -> Result<Vec<Contender>, FieldError> {
    let mut field = vec![Contender::hakmem(HAKMEM, hakmem, Vec::new())?];
    let known = linker_cache().map_err(FieldError::Ldconfig)?;
    for peer in PEERS {
        let library = find(&known, peer.library)
            .and_then(|path| path.canonicalize().ok())
            .ok_or(FieldError::PeerMissing { library: peer.library, package: peer.package })?;
        field.push(Contender {
            name: peer.name.to_owned(),
            library,
            preload: peer.name != "glibc",
            publishes: false,
            environment: Vec::new(),
        });
    }
    Ok(field)
}

fn linker_cache() -> std::io::Result<String> {
    // It lives in a folder that the PATH of ordinary users lacks.
    let output = Command::new("/sbin/ldconfig").arg("-p").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Path of a library in the output of `ldconfig -p`, of this machine's architecture.
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
        let error = field(Path::new("/nonexistent/libhakmem_preload.so")).unwrap_err();
        assert!(error.to_string().contains("cargo build --release -p hakmem-preload"), "{error}");
    }
}
