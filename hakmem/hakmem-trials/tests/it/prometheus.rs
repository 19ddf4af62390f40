//! A real Prometheus with the repository's configuration, which scrapes real agents, which watch
//! programs that run under the preload library.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::live::{Running, wait_until};
use crate::queries::{list, text};
use crate::{http, live, rules, scratch};

/// A Prometheus with the repository's configuration, but faster, and scraping agents of the test.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _running: Running,
    _data: tempfile::TempDir,
}

impl Prometheus {
    fn start(agents: [SocketAddr; 2]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(data.path().join("rules")).expect("the folder can be written to");
        for stem in rules::FILES {
            let path = format!("rules/{stem}.yml");
            let fast = rules::read(&path).replace("interval: 2m", "interval: 1s");
            std::fs::write(data.path().join(&path), fast).expect("the folder can be written to");
        }
        let config = rules::read("prometheus.yml")
            .replace("interval: 15s", "interval: 1s")
            .replace("127.0.0.1:9847", &format!("{}\", \"{}", agents[0], agents[1]));
        assert_eq!(config.matches("interval: 1s").count(), 2, "{config}");
        assert!(agents.iter().all(|agent| config.contains(&agent.to_string())), "{config}");
        // There is no Alertmanager to send anything to.
        let (config, _) = config.split_once("alerting:").expect("the example sends alerts");
        let file = data.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder can be written to");
        let address = http::free_address();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error");
        let running = Running::start(&mut command, "apt-get install prometheus");
        wait_until("Prometheus is ready", Duration::from_secs(30), || {
            http::get(address, "/-/ready", "*/*").is_some_and(|response| response.status == 200)
        });
        Self { address, _running: running, _data: data }
    }

    /// The data in the answer of an endpoint.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let response = http::get(self.address, path, "*/*").expect("Prometheus answers");
        let answer: Value = serde_json::from_str(&response.body).expect("Prometheus sends JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The labels and values of an instant query.
    pub(crate) fn samples(&self, promql: &str) -> Vec<(Value, f64)> {
        let data = self.ask(&format!("/api/v1/query?query={}", http::escape(promql)));
        let samples = list(&data["result"]).iter();
        let value = |sample: &Value| text(&sample["value"][1]).parse().expect("a number");
        samples.map(|sample| (sample["metric"].clone(), value(sample))).collect()
    }

    /// The values of an instant query.
    pub(crate) fn values(&self, promql: &str) -> Vec<f64> {
        self.samples(promql).into_iter().map(|(_, value)| value).collect()
    }

    /// Whether a query is valid and has data, and all of its values are finite.
    pub(crate) fn has_data(&self, promql: &str) -> bool {
        let path = format!("/api/v1/query?query={}", http::escape(promql));
        let accepted = http::get(self.address, &path, "*/*").is_some_and(|it| it.status == 200);
        let values = if accepted { self.values(promql) } else { Vec::new() };
        !values.is_empty() && values.iter().all(|value| value.is_finite())
    }

    /// The values, once there are any; fails if there are none in time, or one is not a number.
    pub(crate) fn data(&self, what: &str, promql: &str) -> Vec<f64> {
        let patience = Duration::from_secs(30);
        wait_until(&format!("{what} has data: {promql}"), patience, || self.has_data(promql));
        self.values(promql)
    }
}

/// Programs, two agents that watch them, and a Prometheus that scrapes those.
pub(crate) struct Stack {
    pub(crate) prometheus: Prometheus,
    /// Threads that allocate every class, hand blocks on and free them, under `direct`.
    pub(crate) direct: Running,
    /// The same load under `hybrid`, where C7 takes the slow path.
    pub(crate) hybrid: Running,
    /// A program with bugs.
    pub(crate) wrong: Running,
    /// Address of the agent that names every process.
    pub(crate) agent: SocketAddr,
    /// That agent, and one that sums processes up by executable, as on a machine with very many.
    _agents: [Running; 2],
    _directory: tempfile::TempDir,
}

impl Stack {
    /// Starts all of it and waits for the first figures.
    pub(crate) fn start() -> Self {
        // Building takes long, and no load should run meanwhile.
        hakmem_built::agent();
        let directory = scratch::segments_directory();
        let direct = live::busy_threads(2, "direct", directory.path());
        let hybrid = live::busy_threads(2, "hybrid", directory.path());
        let wrong = live::wrong_frees(directory.path());
        let (naming, agent) = live::agent(directory.path());
        let (summing, other) = live::agent_naming(0, directory.path());
        let prometheus = Prometheus::start([agent, other]);
        prometheus.data("the load", "rate(hakmem_allocations_total{class=\"C7\"}[10s]) > 0");
        Self {
            prometheus,
            direct,
            hybrid,
            wrong,
            agent,
            _agents: [naming, summing],
            _directory: directory,
        }
    }
}
