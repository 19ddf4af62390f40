//! Names of users, from `/etc/passwd`.
//!
//! The name is for people: a user whom that file does not have, as with a directory service or in a
//! container, is shown by number. A name stands for only one number, because series of two users
//! must never have the same labels.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time after which the file is read again.
const PERIOD: Duration = Duration::from_secs(60);

/// Names by number, read again after a while.
#[derive(Debug, Default)]
pub(crate) struct Users {
    known: Mutex<Option<(Instant, BTreeMap<u32, String>)>>,
}

impl Users {
    /// The user's name, or the number.
    pub(crate) fn label(&self, user: u32) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(read, _)| read.elapsed() > PERIOD) {
            let text = std::fs::read("/etc/passwd").unwrap_or_default();
            *known = Some((Instant::now(), names(&String::from_utf8_lossy(&text))));
        }
        let name = known.as_ref().and_then(|(_, names)| names.get(&user)).cloned();
        name.unwrap_or_else(|| user.to_string())
    }
}

/// The first name of each number; if two numbers have one name, the first number keeps it.
fn names(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    let mut taken = HashSet::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, number) = (fields.next().unwrap_or_default(), fields.nth(1));
        let Some(user) = number.and_then(|number| number.parse::<u32>().ok()) else { continue };
        // A name of digits could be another user's number.
        let is_name = !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit());
        if is_name && !names.contains_key(&user) && taken.insert(name) {
            names.insert(user, name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_users_share_a_name() {
        let names = names(
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n1000:x:7:7::/:/bin/sh\n\
             joe:x:1000:1000::/:/bin/sh\njoe:x:1001:1001::/:/bin/sh\nodd\n:x:9:9\nx:x:-1:1\n",
        );
        let told: Vec<(u32, &str)> = names.iter().map(|(user, name)| (*user, &**name)).collect();
        assert_eq!(told, [(0, "root"), (1000, "joe")]);
        assert_eq!(Users::default().label(0), "root");
        assert_eq!(Users::default().label(4_000_000_000), "4000000000");
    }
}
