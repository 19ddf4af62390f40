//! Sides that an agent has kept.

use hakmem_diagnosis::Side;
use jiff::tz::TimeZone;

use super::{Selection, SideError};
use crate::endpoint::Endpoint;
use crate::time_window::TimeWindow;

pub(super) async fn read(
    _endpoint: &Endpoint,
    _window: Option<&TimeWindow>,
    _selection: &Selection,
    name: &str,
    _zone: &TimeZone,
) -> Result<Side, SideError> {
    Err(SideError::NoHistory { name: name.into() })
}
