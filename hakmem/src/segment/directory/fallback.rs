//! The substitute for a user's default directory if another user has that one.
//!
//! Everybody may write to `/dev/shm`, so anybody can be the first to make `/dev/shm/hakmem-<uid>`.
//! Then the user's directory is `/dev/shm/hakmem-<uid>-<16 hex digits>`, a name that nobody else
//! can know before the directory exists. The first program draws the digits; later programs and the
//! agent find the directory by its name and owner.

use core::ffi::CStr;

use super::{Place, SHARED_MEMORY, USER_PREFIX, for_each_entry};
use crate::os::file::File;
use crate::os::process;

/// Number of unguessable digits in a directory's name.
const DIGITS: usize = 16;
/// Number of entries of `/dev/shm` to look at: other users may make as many as they like.
const ENTRIES_MAX: usize = 4096;

/// Finds the user's substitute directory, or makes it.
#[inline(never)]
pub(super) fn open_or_make<'a>(user: u32) -> Option<Place<'a>> {
    find(user).or_else(|| {
        let nonce = process::random();
        let place = Place::at(format_args!("{SHARED_MEMORY}/{USER_PREFIX}{user}-{nonce:016x}"));
        place.verify(user, false).ok()
    })
}

#[inline(never)]
fn find<'a>(user: u32) -> Option<Place<'a>> {
    let directory =
        File::open_directory(Place::at(format_args!("{SHARED_MEMORY}")).c_str()).ok()?;
    let mut found = None;
    let mut entries = 0;
    for_each_entry(&directory, &mut |name| {
        entries += 1;
        if let Some(nonce) = nonce_of(name, user) {
            let place = Place::at(format_args!("{SHARED_MEMORY}/{USER_PREFIX}{user}-{nonce}"));
            found = place.verify(user, false).ok();
        }
        found.is_none() && entries < ENTRIES_MAX
    });
    found
}

/// The digits at the end of `name` if it is the name of this user's substitute directory.
fn nonce_of(name: &CStr, user: u32) -> Option<&str> {
    let rest = name.to_str().ok()?.strip_prefix(USER_PREFIX)?;
    let (id, nonce) = rest.split_once('-')?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_own = id.parse() == Ok(user) && nonce.len() == DIGITS && nonce.bytes().all(is_hex);
    is_own.then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_users_other_directory_are_recognised() {
        let check = |name: &CStr, expected: Option<&str>| {
            assert_eq!(nonce_of(name, 1000), expected, "{name:?}");
        };
        check(c"hakmem-1000-0123456789abcdef", Some("0123456789abcdef"));
        check(c"hakmem-1001-0123456789abcdef", None);
        check(c"hakmem-1000-0123456789ABCDEF", None);
        check(c"hakmem-1000-0123456789abcde", None);
        check(c"hakmem-1000-0123456789abcdef0", None);
        check(c"hakmem-1000-../../etc/passwd", None);
        check(c"hakmem-1000", None);
        check(c"other-1000-0123456789abcdef", None);
    }
}
