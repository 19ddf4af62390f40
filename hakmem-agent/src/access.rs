//! Decides who may see which processes.

use tonic::Status;
use tonic::transport::server::UdsConnectInfo;

/// The origin of a request, by the processes it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Sees every process that the agent sees: root, and the program in which the agent is
    /// embedded.
    Everyone,
    /// Sees the processes of one user id.
    User(u32),
}

/// How a server learns the origin of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate {
    /// Everyone who reaches the server may see everything that the agent's own user may see.
    Open,
    /// The kernel tells the user at the other end of the unix socket.
    PeerCredentials,
}

impl Gate {
    /// The viewer behind `request`.
    pub(crate) fn viewer<T>(self, request: &tonic::Request<T>) -> Result<Viewer, Status> {
        match self {
            Self::Open => Ok(Viewer::Everyone),
            Self::PeerCredentials => request
                .extensions()
                .get::<UdsConnectInfo>()
                .and_then(|info| info.peer_cred)
                .map(|credentials| Viewer::of_user(credentials.uid()))
                .ok_or_else(|| Status::unauthenticated("the kernel did not identify the client")),
        }
    }
}

impl Gate {
    /// The user whose budget pays for a request: the user at the other end of the unix socket, or
    /// one common budget for all requests that come by another way.
    pub(crate) fn client<T>(self, request: &tonic::Request<T>) -> u32 {
        let told = || request.extensions().get::<UdsConnectInfo>()?.peer_cred;
        match self {
            Self::Open => u32::MAX,
            Self::PeerCredentials => told().map_or(u32::MAX, |credentials| credentials.uid()),
        }
    }
}

impl Viewer {
    fn of_user(user_id: u32) -> Self {
        if user_id == 0 { Self::Everyone } else { Self::User(user_id) }
    }

    /// Whether this viewer may see the processes of the user `owner`.
    pub(crate) fn may_see(self, owner: u32) -> bool {
        match self {
            Self::Everyone => true,
            Self::User(user_id) => user_id == owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_see_their_own_and_root_sees_all() {
        assert!(Viewer::of_user(0).may_see(1000));
        assert!(Viewer::of_user(1000).may_see(1000));
        assert!(!Viewer::of_user(1000).may_see(1001));
        assert!(!Viewer::of_user(1000).may_see(0));
    }

    #[test]
    fn a_request_without_credentials_is_refused_at_the_unix_socket() {
        let request = tonic::Request::new(());
        assert!(Gate::PeerCredentials.viewer(&request).is_err());
        assert_eq!(Gate::Open.viewer(&request).unwrap(), Viewer::Everyone);
    }
}
