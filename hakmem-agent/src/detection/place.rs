//! The place where a process runs: its pid namespace, and its control group, which names the
//! systemd unit or the container.

use hakmem_reader::Identity;
use hakmem_reader::liveness::Host;

/// Number of bytes of a control group's path that are used.
const GROUP_BYTES_MAX: usize = 512;

/// Distinguishes programs that were started alike in different places.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pid_namespace: u64,
    /// Path of the control group; empty if the process has ended, is in another pid namespace, or
    /// may not be inspected by this agent's user.
    control_group: String,
}

impl Place {
    /// Asks the system for the place of a running process.
    pub(super) fn of(host: &Host, identity: &Identity, has_ended: bool) -> Self {
        // Only if `identity` is the process with this pid: the pid may belong to another process by
        // now, to another namespace, or to a forged file.
        let asked = !has_ended && host.process_lives(identity);
        let group =
            asked.then(|| std::fs::read_to_string(format!("/proc/{}/cgroup", identity.pid)));
        let control_group = group.and_then(Result::ok).map(|text| group_of(&text).to_owned());
        Self {
            pid_namespace: identity.pid_namespace,
            control_group: control_group.unwrap_or_default(),
        }
    }
}

/// The path in the unified hierarchy, or in systemd's own hierarchy if there are several.
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

#[cfg(test)]
mod tests {
    use hakmem_reader::Segment;
    use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

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
    fn the_very_process_of_an_identity_is_asked_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let process = FixtureProcess::new("/bin/x").of_process(std::process::id());
        let writer = SegmentWriter::create(directory.path(), &process);
        let identity = Segment::open(writer.path()).unwrap().identity().clone();
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = |change: &dyn Fn(&mut Identity), has_ended| {
            let mut changed = identity.clone();
            change(&mut changed);
            Place::of(&Host::current(), &changed, has_ended).control_group
        };
        assert_eq!(group(&|_| (), false), group_of(&text));
        assert_eq!(group(&|_| (), true), "");
        assert_eq!(group(&|it| it.pid_namespace = 1, false), "");
        // Another process had the pid before.
        assert_eq!(group(&|it| it.start_time_ticks -= 1, false), "");
        assert_eq!(group(&|it| it.boot_id[0] ^= 1, false), "");
        // The file belongs to another user than the process.
        assert_eq!(group(&|it| it.owner_user_id = 54_321, false), "");
    }
}
