//! Reads a finding of the agent, which provides both sides at once.

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::get_finding_response::Part;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use prost_types::Timestamp;

use super::{ReadSide, SideError};
use crate::source::endpoint::Endpoint;

/// `finding:ID` or `finding:ID@SINCE`, as the agent writes it. The moment is needed because each
/// agent numbers its findings anew.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingName {
    id: u64,
    since: Option<Timestamp>,
}

/// The text after `finding:` does not name a finding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a finding; paste it as the agent reports it: finding:7@2026-11-26T10:00:00Z")]
pub struct FindingNameError(String);

impl FindingName {
    /// Parses what the user pasted; `None` if it does not begin with `finding:`.
    ///
    /// # Errors
    ///
    /// [`FindingNameError`] if the number or the moment is malformed.
    pub fn parse(text: &str) -> Result<Option<Self>, FindingNameError> {
        let Some(name) = text.strip_prefix("finding:") else { return Ok(None) };
        let wrong = || FindingNameError(text.to_owned());
        let (id, since) = match name.split_once('@') {
            Some((id, since)) => (id, Some(since.parse().map_err(|_| wrong())?)),
            None => (name, None),
        };
        Ok(Some(Self { id: id.parse().map_err(|_| wrong())?, since }))
    }
}

/// Reads both sides of the comparison behind a finding, which the agent keeps with it.
///
/// # Errors
///
/// [`SideError`] if the agent does not answer or no longer has the finding.
pub async fn read(endpoint: &Endpoint, name: &FindingName) -> Result<[ReadSide; 2], SideError> {
    if let Endpoint::Embedded { .. } = endpoint {
        return Err(SideError::NoAgent { name: format!("finding:{}", name.id) });
    }
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    let request = proto::GetFindingRequest { id: name.id, since: name.since };
    let asked = |status: tonic::Status| match status.code() {
        tonic::Code::NotFound => SideError::NoFinding(status.message().to_owned()),
        _ => SideError::Agent(status.into()),
    };
    let mut parts = client.get_finding(request).await.map_err(asked)?.into_inner();
    let mut sides = [(); 2].map(|()| (String::new(), Vec::new()));
    while let Some(message) = parts.message().await.map_err(asked)? {
        match message.part {
            Some(Part::Before(series)) => take(&mut sides[0], series),
            Some(Part::After(series)) => take(&mut sides[1], series),
            Some(Part::Finding(_)) | None => {}
        }
    }
    Ok(sides.map(|(name, series)| ReadSide::whole(&name, series)))
}

fn take(side: &mut (String, Vec<Series>), part: proto::FindingSeries) {
    if part.continued {
        if let Some(last) = side.1.last_mut() {
            last.samples.extend(part.samples);
        }
        return;
    }
    side.0 = part.side;
    side.1.push(Series {
        identity: part.identity.unwrap_or_default(),
        machine: part.machine,
        samples: part.samples,
        lost_events: part.lost_events,
        lost_samples: 0,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_read_as_the_agent_writes_it() {
        assert_eq!(FindingName::parse("finder.hakrec"), Ok(None));
        let since = "2026-11-26T10:00:03.250Z";
        let read = FindingName::parse(&format!("finding:7@{since}")).unwrap().unwrap();
        assert_eq!((read.id, read.since.unwrap().to_string()), (7, since.to_owned()));
        let read = FindingName::parse("finding:8").unwrap().unwrap();
        assert_eq!((read.id, read.since), (8, None));
        for wrong in ["finding:", "finding:x", "finding:-1", "finding:7@", "finding:7@soon"] {
            let said = FindingName::parse(wrong).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`{wrong}` is not a finding")), "{said}");
        }
    }
}
