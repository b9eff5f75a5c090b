//! Kafka and Postgres for the bench alone, installations on them, and the roles as processes of their own.

use super::meter::{self, Group};
use super::{databases, wait};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where services and roles may be found if nobody says otherwise: apart from a developer's and the tests'.
const KAFKA_PORT: &str = "39092";
const POSTGRES_PORT: &str = "35432";
/// How long a process may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running Kafka and Postgres; stopped in the end.
pub struct Services {
    kafka_port: String,
    postgres_port: String,
    brokers: String,
    folder: PathBuf,
    /// The program whose roles are measured.
    program: PathBuf,
    keep: bool,
}

impl Services {
    /// Starts them afresh.
    pub fn up(program: PathBuf, keep: bool) -> Result<Self> {
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let kafka_port = variable("ORCHESTRATOR_KAFKA_PORT", KAFKA_PORT);
        let folder =
            variable("ORCHESTRATOR_SERVICES_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-services"));
        let services = Self {
            brokers: format!("127.0.0.1:{kafka_port}"),
            postgres_port: variable("ORCHESTRATOR_POSTGRES_PORT", POSTGRES_PORT),
            kafka_port,
            folder: folder.into(),
            program,
            keep,
        };
        if !keep {
            services.script("down")?;
        }
        services.script("up")?;
        fs::create_dir_all(services.logs())?;
        Ok(services)
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    fn postgres(&self) -> String {
        format!("postgres://orchestrator:orchestrator@127.0.0.1:{}/orchestrator", self.postgres_port)
    }

    /// What the roles say; not in the folder of the services, which has to be theirs alone.
    fn logs(&self) -> PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-logs").into()
    }

    fn script(&self, verb: &str) -> Result<String> {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services"))
            .arg(verb)
            .env("ORCHESTRATOR_SERVICES_DIR", &self.folder)
            .env("ORCHESTRATOR_KAFKA_PORT", &self.kafka_port)
            .env("ORCHESTRATOR_POSTGRES_PORT", &self.postgres_port)
            .output()
            .context("scripts/services can't be run")?;
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("scripts/services {verb}: {words}");
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The processes of the services, as far as they can be found.
    fn groups(&self) -> Result<Vec<Group>> {
        let status = self.script("status")?;
        let mut groups = Vec::new();
        for (name, service, port) in
            [("broker", "kafka", &self.kafka_port), ("postgres", "postgres", &self.postgres_port)]
        {
            let line = status.lines().find(|line| line.starts_with(service)).unwrap_or_default();
            if let Some(pid) = pid_in(line).or_else(|| container_on(port)) {
                groups.push(Group { name, pid, with_children: name == "postgres" });
            }
        }
        Ok(groups)
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = self.script("down")
        {
            eprintln!("bench: {error:#}");
        }
    }
}

/// `… process 123, log …`
fn pid_in(line: &str) -> Option<i32> {
    let (_, rest) = line.split_once("process ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The first process of the container that publishes a port.
fn container_on(port: &str) -> Option<i32> {
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let id = docker(&["ps", "--quiet", "--filter", &format!("publish={port}")])?;
    docker(&["inspect", "--format", "{{.State.Pid}}", &id])?.parse().ok()
}

/// Topics and tables of their own on the services.
pub struct Installation<'s> {
    pub services: &'s Services,
    pub partitions: u32,
    pub namespace: String,
    pub store_url: String,
    /// Variables of the environment that its roles get.
    pub settings: Vec<(&'static str, String)>,
}

impl<'s> Installation<'s> {
    /// Makes one, with definitions by name.
    pub fn make(services: &'s Services, name: &str, partitions: u32, definitions: &[(&str, Value)]) -> Result<Self> {
        let namespace = format!("bench-{}-{name}", std::process::id());
        let store_url = databases::make(&services.postgres(), &format!("bench_{name}"))?;
        let installation = Self { services, partitions, namespace, store_url, settings: Vec::new() };
        installation.run(&["init"])?;
        for (name, document) in definitions {
            let path = services.logs().join(format!("{name}.json"));
            fs::write(&path, document.to_string())?;
            installation.run(&["definitions", "apply", &path.display().to_string()])?;
        }
        Ok(installation)
    }

    /// The full name of a topic.
    pub fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.namespace)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.services.program);
        // What a developer's shell says must not reach the measured processes.
        std::env::vars().filter(|(name, _)| name.starts_with("ORCHESTRATOR_")).for_each(|(name, _)| {
            command.env_remove(name);
        });
        command
            .args(arguments)
            .env("ORCHESTRATOR_LOG_URL", format!("kafka://{}", self.services.brokers))
            .env("ORCHESTRATOR_STORE_URL", &self.store_url)
            .env("ORCHESTRATOR_NAMESPACE", &self.namespace)
            .env("ORCHESTRATOR_GROUP", &self.namespace)
            .env("ORCHESTRATOR_PARTITIONS", self.partitions.to_string())
            .env("ORCHESTRATOR_LOG_LEVEL", "WARN")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end; what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output()?;
        if !output.status.success() {
            bail!("orchestrator {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The roles of an installation, a process each; stopped in the end.
pub struct Roles {
    running: Vec<Role>,
    services: Vec<Group>,
}

struct Role {
    name: &'static str,
    /// What it says, and why it ended.
    log: PathBuf,
    child: Child,
    port: Option<u16>,
}

impl Roles {
    /// Starts `engine`, `projector` and `worker`, or some of them, or one of them several times, and waits until they
    /// are ready: each says so, and the engines own every partition, shared out among them.
    pub fn start(installation: &Installation, names: &[&'static str]) -> Result<Self> {
        let mut roles = Self { running: Vec::new(), services: installation.services.groups()? };
        for (number, name) in names.iter().enumerate() {
            let earlier = names[..number].iter().filter(|earlier| *earlier == name).count();
            roles.running.push(Role::start(installation, name, earlier)?);
        }
        let engines = names.iter().filter(|name| is_engine(name)).count();
        let least = (installation.partitions as usize).checked_div(engines).unwrap_or(0);
        for role in &roles.running {
            role.wait(least)?;
        }
        if engines > 0 {
            let all_owned = || Ok((roles.owned() == installation.partitions as usize).then_some(()));
            wait::until("the engines own every partition", READY_WITHIN, all_owned)?;
        }
        Ok(roles)
    }

    /// How many partitions the engines own, all together.
    fn owned(&self) -> usize {
        let ports = self.running.iter().filter(|role| is_engine(role.name)).filter_map(|role| role.port);
        ports.filter_map(|port| ask(port, "/ready")).map(|report| owned(&report)).sum()
    }

    /// All processes that have a part in the work.
    pub fn groups(&self) -> Vec<Group> {
        let group = |role: &Role| Group { name: role.name, pid: role.pid(), with_children: false };
        let mut groups: Vec<Group> = self.running.iter().map(group).collect();
        groups.extend(self.services.clone());
        groups.push(meter::own());
        groups
    }

    /// The process of a role.
    pub fn pid(&self, name: &str) -> Option<i32> {
        self.running.iter().find(|role| role.name == name).map(Role::pid)
    }

    /// Kills them, as a crash would.
    pub fn kill(mut self) -> Result<()> {
        for role in &mut self.running {
            role.child.kill()?;
            role.child.wait()?;
        }
        Ok(())
    }

    /// How many runs the engine has that have not ended.
    pub fn unfinished_runs(&self) -> Result<u64> {
        let engine = self.running.iter().find_map(|role| role.port.filter(|_| is_engine(role.name)));
        let report = engine.and_then(|port| ask(port, "/health"));
        Ok(report.and_then(|report| report["engine"]["unfinished_runs"].as_u64()).unwrap_or(0))
    }
}

impl Role {
    /// `number`: how many of that name have been started before.
    fn start(installation: &Installation, name: &'static str, number: usize) -> Result<Self> {
        let number = if number == 0 { String::new() } else { format!("-{}", number + 1) };
        let log = installation.services.logs().join(format!("{name}{number}.log"));
        let (mut command, port) = match name {
            "worker" => (installation.command(&["worker", "--builtin", "echo"]), None),
            role => (installation.command(&["serve", "--roles", role]), Some(free_port()?)),
        };
        if let Some(port) = port {
            command.env("ORCHESTRATOR_HTTP_ADDRESS", format!("127.0.0.1:{port}"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
        Ok(Self { name, log, child, port })
    }

    /// Waits until its process says that it is ready, and if it is an engine, owns so many partitions at least. A worker
    /// is ready when it works.
    fn wait(&self, least: usize) -> Result<()> {
        let Some(port) = self.port else { return Ok(()) };
        let is_ready = || {
            let Some(report) = ask(port, "/ready") else { return Ok(None) };
            let owns = !is_engine(self.name) || owned(&report) >= least;
            Ok((report["ready"] == true && owns).then_some(()))
        };
        let ready = wait::until(self.name, READY_WITHIN, is_ready);
        ready.with_context(|| format!("{} says why", self.log.display()))?;
        Ok(())
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Whether a process of these roles has an engine.
fn is_engine(name: &str) -> bool {
    name.starts_with("engine")
}

/// How many partitions the engine of a report owns.
fn owned(report: &Value) -> usize {
    report["engine"]["partitions"].as_array().map_or(0, Vec::len)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The JSON that a role answers.
fn ask(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}
