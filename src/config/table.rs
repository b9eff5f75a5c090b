//! The table of settings: the only place where one is added.

use super::kind::Kind;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable of the environment.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The value where nobody says anything, as it would be written in the environment.
    pub default: &'static str,
    /// A sentence or two for people.
    pub meaning: &'static str,
    /// Whether the whole value is never shown. Passwords within URLs are masked in any case.
    pub secret: bool,
}

impl Setting {
    /// The flag that says the same, without the dashes: `ORCHESTRATOR_LOG_URL` → `log-url`.
    pub fn flag(&self) -> String {
        self.name.trim_start_matches(PREFIX).to_ascii_lowercase().replace('_', "-")
    }
}

/// What every variable of ours begins with.
pub const PREFIX: &str = "ORCHESTRATOR_";
/// What is passed through to librdkafka begins with this.
pub const KAFKA_PREFIX: &str = "ORCHESTRATOR_KAFKA_";
/// Variables of the scripts beside the program, known so that nobody is warned of them.
pub const OF_SCRIPTS: [&str; 5] = [
    "ORCHESTRATOR_SERVICES_DIR",
    "ORCHESTRATOR_SERVICES_WITH",
    "ORCHESTRATOR_KAFKA_PORT",
    "ORCHESTRATOR_POSTGRES_PORT",
    "ORCHESTRATOR_REGISTRY_PORT",
];
/// Variables that a worker sets for a program that is an agent; the program may call ours.
pub const OF_AGENTS: [&str; 5] = [
    "ORCHESTRATOR_DISPATCH_ID",
    "ORCHESTRATOR_WORKFLOW_ID",
    "ORCHESTRATOR_NODE_ID",
    "ORCHESTRATOR_ATTEMPT",
    "ORCHESTRATOR_AGENT",
];

macro_rules! names {
    ($($name:ident)*) => { $(
        #[doc = concat!("`ORCHESTRATOR_", stringify!($name), "`.")]
        pub const $name: &str = concat!("ORCHESTRATOR_", stringify!($name));
    )* };
}
names!(
    LOG_URL STORE_URL SCHEMA_REGISTRY_URL STATE_STORAGE DATA NAMESPACE GROUP PARTITIONS HTTP_ADDRESS
    MAX_AGENT_CALLS AGENT_TIMEOUT PARALLEL_THRESHOLD
    MAX_RETRIES BASE_RETRY_DELAY RETRY_EXPONENTIAL_BASE MAX_RETRY_DELAY RETRY_JITTER
    BREAKER_FAILURE_PERCENT BREAKER_MIN_CALLS BREAKER_WINDOW BREAKER_OPEN BREAKER_PROBES
    MAX_REQUEST_BYTES MAX_UNFINISHED DUPLICATE_WINDOW JOURNAL_TIMEOUT DEADLINE_GRACE
    LOCAL_AGENTS WORKER_CONCURRENCY WORKER_STOP_TIMEOUT HTTP_AGENT_HOSTS EXEC_AGENT_PROGRAMS
    STRUCTURED_LOGGING LOG_LEVEL
);

/// Where the log is when nobody says: the port of `scripts/services`.
pub const DEFAULT_LOG_URL: &str = "kafka://127.0.0.1:19092";
/// Where the store is when nobody says: the port of `scripts/services`.
pub const DEFAULT_STORE_URL: &str = "postgres://orchestrator:orchestrator@127.0.0.1:15432/orchestrator";
/// Where the store is when nobody says more than `sqlite`.
pub const DEFAULT_SQLITE_STORE_URL: &str = "sqlite://.orchestrator/store.db";

const fn setting(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, kind, default, meaning, secret: false }
}

/// Every setting, in the order in which people read them.
pub const SETTINGS: &[Setting] = &[
    setting(
        LOG_URL,
        Kind::LogUrl,
        DEFAULT_LOG_URL,
        "Where the log is. The default is the Kafka that `scripts/services up` starts.",
    ),
    setting(
        STORE_URL,
        Kind::StoreUrl,
        DEFAULT_STORE_URL,
        "Where the store is. The default is the Postgres that `scripts/services up` starts, or with \
         ORCHESTRATOR_STATE_STORAGE=sqlite a file in ./.orchestrator.",
    ),
    setting(
        SCHEMA_REGISTRY_URL,
        Kind::HttpUrl,
        "",
        "A schema registry with Confluent's protocol. With it the schemas of the events are registered at the start, and \
         `events` has Confluent's framing in place of single-object framing; commands that read `events` ask it for what \
         they find there. Credentials are sent by basic authentication.",
    ),
    setting(
        STATE_STORAGE,
        Kind::Word(&["postgres", "sqlite"]),
        "postgres",
        "Which kind of store the projections are kept in: picks the default of ORCHESTRATOR_STORE_URL. An explicit URL \
         of another kind stops the start.",
    ),
    setting(
        DATA,
        Kind::Folder,
        "",
        "A folder with an embedded log (log.db) and store (store.db), in place of both URLs. `dev` uses ./.orchestrator \
         unless told otherwise.",
    ),
    setting(
        NAMESPACE,
        Kind::Namespace,
        "orchestrator",
        "What the name of every topic begins with, followed by a dot. Installations with different ones share a Kafka.",
    ),
    setting(
        GROUP,
        Kind::Group,
        "orchestrator-engine",
        "The consumer group by which engines share the partitions. Where nobody says, it is `<namespace>-engine`: \
         installations that share a Kafka must not share it.",
    ),
    setting(
        PARTITIONS,
        Kind::Count { min: 1, max: 256 },
        "4",
        "How many partitions `init` creates. Pinned from then on; one partition carries more than most installations \
         need.",
    ),
    setting(
        HTTP_ADDRESS,
        Kind::Address,
        "127.0.0.1:7080",
        "Where `serve` and `dev` answer GET /health and GET /ready; `off`: nowhere. If the default is taken by another \
         process, they go on without; an address that was asked for has to be free.",
    ),
    setting(
        MAX_AGENT_CALLS,
        Kind::Count { min: 1, max: 10_000 },
        "5",
        "How many agent calls a plan made at run time may ask for. A definition may set its own `max_agent_calls`.",
    ),
    setting(
        AGENT_TIMEOUT,
        Kind::Duration { min_ms: 1, max_ms: 7 * 86_400_000 },
        "60",
        "How long one attempt of a node may take, from the moment a worker starts on it, where the node has no \
         `timeout` of its own. In seconds.",
    ),
    setting(
        PARALLEL_THRESHOLD,
        Kind::Count { min: 1, max: 10_000 },
        "2",
        "While fewer nodes of a run than this are ready or running, they run one at a time in definition order. The \
         default never makes a node wait.",
    ),
    setting(
        MAX_RETRIES,
        Kind::Count { min: 0, max: 100 },
        "3",
        "How often a node whose attempt has failed is tried again, where neither the node nor its agent says (`retry` in \
         the definition). Resolved when a run starts, as the other settings of retries.",
    ),
    setting(
        BASE_RETRY_DELAY,
        Kind::Duration { min_ms: 0, max_ms: 86_400_000 },
        "1",
        "The delay before a node's second attempt. In seconds.",
    ),
    setting(
        RETRY_EXPONENTIAL_BASE,
        Kind::Factor,
        "2",
        "By how much each delay is longer than the one before: 1 is the same delay each time.",
    ),
    setting(
        MAX_RETRY_DELAY,
        Kind::Duration { min_ms: 0, max_ms: 7 * 86_400_000 },
        "60",
        "No delay is longer than this before jitter, and what the failure itself asks for (`retry_after`). In seconds.",
    ),
    setting(
        RETRY_JITTER,
        Kind::Word(&["none", "full", "equal"]),
        "equal",
        "How delays are spread, so that what failed together does not come back together: not at all; anything up to the \
         delay; half of it, and anything up to the other half.",
    ),
    setting(
        BREAKER_FAILURE_PERCENT,
        Kind::Count { min: 0, max: 100 },
        "90",
        "The circuit breaker of an agent opens, in one partition, when at least so many of a hundred attempts have failed \
         in a way that another attempt may mend: its nodes then wait instead of burning their attempts. 0: never.",
    ),
    setting(
        BREAKER_MIN_CALLS,
        Kind::Count { min: 1, max: 1_000_000 },
        "50",
        "A circuit breaker opens only when at least so many attempts have ended within its window.",
    ),
    setting(
        BREAKER_WINDOW,
        Kind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        "60",
        "How far back a circuit breaker counts. In seconds.",
    ),
    setting(
        BREAKER_OPEN,
        Kind::Duration { min_ms: 100, max_ms: 86_400_000 },
        "10",
        "How long a circuit breaker stays open before a few attempts may try. In seconds.",
    ),
    setting(
        BREAKER_PROBES,
        Kind::Count { min: 1, max: 10_000 },
        "5",
        "How many attempts may be under way while a circuit breaker is half-open, and by how many it is judged anew: \
         the same share of failures opens it again, any other closes it.",
    ),
    setting(
        MAX_REQUEST_BYTES,
        Kind::Bytes { min: 1 << 10, max: 4 << 20 },
        "1MiB",
        "The largest request, and the largest result of a worker. What is larger is refused and answered as \
         `too_large`.",
    ),
    setting(
        MAX_UNFINISHED,
        Kind::Count { min: 1, max: 10_000_000 },
        "10000",
        "Unfinished runs of a partition from which on its requests wait in the log. Results never wait.",
    ),
    setting(
        DUPLICATE_WINDOW,
        Kind::Duration { min_ms: 0, max_ms: 30 * 86_400_000 },
        "24h",
        "How long after a run has ended a request with the same id and payload is its duplicate; later it starts a new \
         run.",
    ),
    setting(
        JOURNAL_TIMEOUT,
        Kind::Duration { min_ms: 1_000, max_ms: 300_000 },
        "10s",
        "How long a record of the journal may take to be appended and read back before the partition is taken anew.",
    ),
    setting(
        DEADLINE_GRACE,
        Kind::Duration { min_ms: 0, max_ms: 600_000 },
        "10s",
        "How long deadlines wait after an interruption of reading, so that an outage times out no node whose result is \
         on its way; three times as long after a partition has been taken over.",
    ),
    setting(
        LOCAL_AGENTS,
        Kind::Bool,
        "true",
        "Whether a process with the roles `engine` and `worker` hands nodes to its own agents in memory, while they have          places free. Two topics are left out on the way; an attempt that runs so is run again when its partition moves to          another process. `false`: every attempt goes through the topics, and outlives its partition's owner.",
    ),
    setting(
        WORKER_CONCURRENCY,
        Kind::Count { min: 1, max: 10_000 },
        "64",
        "How many nodes of one agent a worker process runs at once.",
    ),
    setting(
        WORKER_STOP_TIMEOUT,
        Kind::Duration { min_ms: 0, max_ms: 86_400_000 },
        "30",
        "How long a worker that is stopped (SIGTERM) goes on with the nodes that it runs. What takes longer is dropped, and \
         run again by another worker. In seconds; whoever supervises the process has to allow a little more.",
    ),
    setting(
        HTTP_AGENT_HOSTS,
        Kind::Hosts,
        "",
        "The hosts that the built-in agent `http` may call. None: it is closed.",
    ),
    setting(
        EXEC_AGENT_PROGRAMS,
        Kind::Programs,
        "",
        "The programs that a definition may have run by the built-in agent `exec`. None: it is closed. `worker --exec` \
         does not depend on it.",
    ),
    setting(
        STRUCTURED_LOGGING,
        Kind::Bool,
        "true",
        "Whether log lines (on the standard error) are JSON. Where nobody says, they are plain on a terminal, and of \
         commands that end by themselves.",
    ),
    setting(LOG_LEVEL, Kind::Level, "INFO", "The least level of log lines."),
];

/// The setting with this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
