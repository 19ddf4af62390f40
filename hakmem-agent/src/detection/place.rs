//! Where a process runs: its pid namespace, and its control group, which names the systemd unit or
//! the container.

use hakmem_proto::v1::Identity;

/// Bytes of a control group's path that are looked at.
const GROUP_BYTES_MAX: usize = 512;

/// Keeps programs apart that are started alike in different places.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pid_namespace: u64,
    /// Path of the control group; empty if the process has ended, is of another pid namespace, or
    /// is nobody's business of this agent's user.
    control_group: String,
}

impl Place {
    /// Asks the system, of a process that runs.
    pub(super) fn of(identity: &Identity, has_ended: bool) -> Self {
        // In another namespace the number means another process.
        let is_here = own_pid_namespace() == Some(identity.pid_namespace);
        let asked = is_here && !has_ended;
        let group =
            asked.then(|| std::fs::read_to_string(format!("/proc/{}/cgroup", identity.pid)));
        let control_group = group.and_then(Result::ok).map(|text| group_of(&text).to_owned());
        Self {
            pid_namespace: identity.pid_namespace,
            control_group: control_group.unwrap_or_default(),
        }
    }
}

/// The path in the unified hierarchy, or in systemd's own where there are several.
fn group_of(text: &str) -> &str {
    let mut lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    let path = lines
        .find(|(controllers, _)| controllers.is_empty() || *controllers == "name=systemd")
        .map_or("", |(_, path)| path);
    let end = (0..=path.len().min(GROUP_BYTES_MAX)).rev().find(|&at| path.is_char_boundary(at));
    &path[..end.unwrap_or(0)]
}

fn own_pid_namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").ok().map(|it| it.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_found_in_both_kinds_of_hierarchy() {
        let unified = "0::/system.slice/redis.service\n";
        assert_eq!(group_of(unified), "/system.slice/redis.service");
        let legacy = "12:cpu:/a\n1:name=systemd:/user.slice/x.scope\n";
        assert_eq!(group_of(legacy), "/user.slice/x.scope");
        assert_eq!(group_of("nonsense"), "");
        let long = format!("0::/{}", "é".repeat(GROUP_BYTES_MAX));
        assert!(group_of(&long).len() <= GROUP_BYTES_MAX);
    }

    #[test]
    fn a_process_that_runs_here_is_asked_and_no_other() {
        let identity = Identity {
            pid: std::process::id(),
            pid_namespace: own_pid_namespace().unwrap(),
            ..Identity::default()
        };
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        assert_eq!(Place::of(&identity, false).control_group, group_of(&text));
        assert_eq!(Place::of(&identity, true).control_group, "");
        let elsewhere = Identity { pid_namespace: 1, ..identity };
        assert_eq!(Place::of(&elsewhere, false).control_group, "");
    }
}
