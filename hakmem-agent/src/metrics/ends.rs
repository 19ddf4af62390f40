//! The metric of processes' ends.

use std::collections::BTreeSet;

use super::exposition::Exposition;
use super::families;
use crate::state::FleetView;
use crate::state::ends::END_STATES;
use crate::users::Users;

/// Writes every kind of end for every executable that runs or ever ended, starting at 0: `rate()`
/// cannot see the step from "absent" to 1.
pub(super) fn write(out: &mut Exposition, view: &FleetView, users: &Users) {
    let running = view.processes.values().map(|record| (record.owner(), &*record.group));
    let executables: BTreeSet<(u32, &str)> = running.chain(view.ends.executables()).collect();
    for (owner, executable) in executables {
        let user = users.label(owner);
        for state in END_STATES {
            let labels =
                [("executable", executable), ("user", user.as_str()), ("state", state.name())];
            let count = view.ends.count(owner, executable, state);
            out.number(&families::PROCESS_ENDS, &labels, count.into());
        }
    }
}
