//! `orchestrator demo`: three requests about a small coffee shop, from the topic to the answer, on one machine with
//! nothing installed.
//!
//! | file | what it is |
//! |---|---|
//! | [`shop`] | the shop: its books, the agents that read them, the three requests |
//! | [`ask`] | publishes requests and follows what becomes of them |
//! | [`view`] | what is shown, as pure functions of events |
//! | [`error`] | why it can end otherwise |

pub mod ask;
pub mod error;
pub mod shop;
pub mod view;

use crate::core::definition::Definition;
use crate::core::id::WorkflowId;
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::engine::thread::wall_clock;
use crate::ui::style::Paint;
use ask::{Asked, Follow};
pub use error::DemoError;
pub use shop::Tempo;
use shop::papers::Answer;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use view::{answers, board::Board, lines, live, screen::Screen, timeline};

/// Three answers take some 3 s; a machine that needs longer than this is not going to give them.
const LIMIT: Duration = Duration::from_secs(60);
/// Where nobody says how wide the output is.
const USUAL_WIDTH: usize = 80;

/// How the demo runs.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where log and store are kept; none: in a temporary folder that is removed at the end.
    pub data: Option<PathBuf>,
    /// How it is shown.
    pub look: Look,
    /// How many characters fit into a line.
    pub width: usize,
    /// Colours, or none.
    pub paint: Paint,
    /// How fast the agents work.
    pub tempo: Tempo,
    /// How long to wait for the answers.
    pub limit: Duration,
    /// Set by someone else, it ends the demo early and in order.
    pub stop: Arc<AtomicBool>,
}

/// How the demo is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// In a terminal, drawn anew in place.
    Live,
    /// A line for each thing that happens.
    Lines,
}

impl DemoOptions {
    /// As the standard output wants it: live and in colour in a terminal that is wide enough, else plain lines.
    pub fn for_stdout(data: Option<PathBuf>) -> Self {
        let width = terminal_width();
        let look = if width.is_some_and(|width| width >= live::LEAST_WIDTH) { Look::Live } else { Look::Lines };
        Self {
            data,
            look,
            width: width.unwrap_or(USUAL_WIDTH),
            paint: Paint::for_stdout(),
            tempo: Tempo::Realistic,
            limit: LIMIT,
            stop: Arc::default(),
        }
    }

    /// Plain lines without colours, at once and as fast as it goes.
    pub fn plain(data: Option<PathBuf>) -> Self {
        Self {
            look: Look::Lines,
            width: USUAL_WIDTH,
            paint: Paint::PLAIN,
            tempo: Tempo::Instant,
            ..Self::for_stdout(data)
        }
    }
}

/// The columns of the terminal that the standard output is; none: it is no terminal.
fn terminal_width() -> Option<usize> {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    comfy_table::Table::new().width().map(usize::from)
}

/// What the demo came to.
#[derive(Clone, Debug)]
pub struct DemoSummary {
    /// The answers, in the order of the requests.
    pub answers: Vec<(WorkflowId, Answer)>,
    /// How many nodes were executed.
    pub nodes: usize,
    /// The sum of their times.
    pub work: Duration,
    /// From the first start to the last end.
    pub took: Duration,
    /// The most nodes that were under way at one moment.
    pub at_once: usize,
    /// The folder, where it is kept.
    pub folder: Option<PathBuf>,
}

/// Runs the demo; what it says goes to `out`, the live view to the standard output.
///
/// # Errors
/// Where the embedded installation does not run, a request is refused or fails, or an answer does not come in time.
pub fn run(options: &DemoOptions, out: &mut dyn Write) -> Result<DemoSummary, DemoError> {
    // Kept in scope: dropping it removes the folder.
    let (temporary, folder) = match &options.data {
        Some(folder) => (None, folder.clone()),
        None => {
            let made = tempfile::Builder::new().prefix("orchestrator-demo-").tempdir().map_err(DemoError::Temporary)?;
            let folder = made.path().to_owned();
            (Some(made), folder)
        }
    };
    let agents = shop::agents(options.tempo).map_err(DemoError::Bundled)?;
    let embedded = Embedded::start(EmbeddedOptions::new(&folder).with_agents(agents))?;
    let played = play(&embedded, options, out);
    let stopped = embedded.stop();
    let (asked, board, answers) = played?;
    stopped?;
    let summary = DemoSummary {
        answers,
        nodes: board.ended(),
        work: board.work(),
        took: board.took().unwrap_or_default(),
        at_once: board.most_at_once(),
        folder: temporary.is_none().then_some(folder),
    };
    conclude(&summary, &asked, &board, options, out)?;
    Ok(summary)
}

type Played = (Vec<Asked>, Board, Vec<(WorkflowId, Answer)>);

fn play(embedded: &Embedded, options: &DemoOptions, out: &mut dyn Write) -> Result<Played, DemoError> {
    let definition = Definition::read(shop::DEFINITION).map_err(DemoError::definition)?;
    let applied = embedded.apply(&definition)?;
    let asked = ask::prepare(embedded, shop::requests().map_err(DemoError::Bundled)?, &applied)?;
    introduce(&definition, &asked, options, out)?;
    let ids: Vec<WorkflowId> = asked.iter().map(|asked| asked.workflow_id.clone()).collect();
    let nodes: Vec<_> = definition.nodes.iter().map(|node| node.node_id.clone()).collect();
    let mut board = Board::new(&ids, &nodes);
    let mut follow = Follow::begin(embedded, &ids, options.limit)?;
    ask::publish(embedded, &asked)?;
    let answers = match options.look {
        Look::Live => watch_live(&mut follow, &mut board, options, out)?,
        Look::Lines => follow.until_answered(&options.stop, &mut board, |board, recorded| {
            let line = recorded.and_then(|recorded| lines::line(board, recorded));
            line.map_or(Ok(()), |line| writeln!(out, "{line}"))
        })?,
    };
    Ok((asked, board, answers))
}

fn watch_live(
    follow: &mut Follow,
    board: &mut Board,
    options: &DemoOptions,
    out: &mut dyn Write,
) -> Result<Vec<(WorkflowId, Answer)>, DemoError> {
    out.flush()?;
    let mut screen = Screen::on_stdout();
    let answers = follow.until_answered(&options.stop, board, |board, _| {
        screen.show(&live::frame(board, wall_clock(), options.width, options.paint));
        Ok(())
    });
    screen.clear()?;
    // The last picture stays, as ordinary text; whoever stopped it does not look for it.
    if !matches!(answers, Err(DemoError::Stopped)) {
        for line in live::frame(board, wall_clock(), options.width, options.paint) {
            writeln!(out, "{line}")?;
        }
    }
    answers
}

fn introduce(
    definition: &Definition,
    asked: &[Asked],
    options: &DemoOptions,
    out: &mut dyn Write,
) -> Result<(), DemoError> {
    let paint = options.paint;
    let agents = definition.nodes.len();
    writeln!(out, "{}", paint.strong("A small coffee shop, three customers, one graph of agents"))?;
    writeln!(
        out,
        "{}\n",
        paint.dim(&format!("Definition {} has {agents} nodes; log and store are SQLite files.", definition.name))
    )?;
    for asked in asked {
        writeln!(out, "{}", paint.name(&format!("→ {}", asked.workflow_id)))?;
        write!(out, "{}", answers::question(&asked.message, options.width, paint))?;
    }
    writeln!(out)?;
    Ok(())
}

fn conclude(
    summary: &DemoSummary,
    asked: &[Asked],
    board: &Board,
    options: &DemoOptions,
    out: &mut dyn Write,
) -> Result<(), DemoError> {
    let DemoOptions { width, paint, .. } = *options;
    writeln!(out, "\n{}\n", paint.strong("Answers"))?;
    for (id, answer) in &summary.answers {
        writeln!(out, "{}", paint.name(&format!("← {id}")))?;
        writeln!(out, "{}", answers::answer(answer, width, paint))?;
    }
    writeln!(out, "{}\n", paint.strong("Timeline"))?;
    writeln!(out, "{}", timeline::timeline(board, width, paint))?;
    writeln!(out, "{}", timeline::totals(board, paint))?;
    if let Some(folder) = &summary.folder {
        writeln!(out, "\n{}", how_to_look(folder, asked))?;
    }
    Ok(())
}

fn how_to_look(folder: &Path, asked: &[Asked]) -> String {
    let data = folder.display();
    let id = asked.first().map_or("ID", |asked| asked.workflow_id.as_str());
    format!(
        "Everything is in {data}. Look at it with\n\
         \x20 orchestrator list --data {data}\n\
         \x20 orchestrator show {id} --data {data}\n\
         \x20 orchestrator history {id} --data {data}"
    )
}
