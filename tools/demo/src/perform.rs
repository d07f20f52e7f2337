//! Plays all stories and tells them.

use std::fmt;
use std::time::Duration;

use cli::OrderId;
use console::{Term, measure_text_width, style};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use kafka::ReadEvent;
use uuid::Uuid;

use crate::endpoints::Endpoints;
use crate::journal::Journal;
use crate::play::{Played, play};
use crate::shop::Shop;
use crate::story::{CATALOGUE, STORIES};
use crate::tree;

const REDRAW: Duration = Duration::from_millis(100);
/// Where output is no terminal, and the widest that is pleasant to read where it is.
const WIDTH_MAX: usize = 110;

/// How many stories ended as they were to.
#[derive(Debug, Default)]
pub(crate) struct Score {
    passed: usize,
    failed: usize,
    /// The orders with a charge that never ends.
    pub(crate) hanging: Vec<OrderId>,
}

impl Score {
    pub(crate) fn nothing_passed() -> Self {
        Self { failed: STORIES.len(), ..Self::default() }
    }

    pub(crate) fn is_perfect(&self) -> bool {
        self.failed == 0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Fills the shop, plays all stories at once, and tells them on standard output.
pub(crate) async fn perform(at: &Endpoints) -> anyhow::Result<Score> {
    let shop = Shop::new(at)?;
    let journal = Journal::open(at).await?;
    fill(&shop).await?;
    let run = format!("demo-{}", Uuid::new_v4().simple());
    rehearse(&shop, &journal, &run).await;
    let played = play_all(&shop, &journal, &run).await;
    let mut score = Score::default();
    for (number, one) in (1..).zip(&played) {
        let events = events_of(&journal, one);
        score.hanging.extend(one.hangs());
        match one.verdict(&events) {
            Ok(()) => score.passed += 1,
            Err(_) => score.failed += 1,
        }
        tell(number, one, &events);
    }
    println!();
    Ok(score)
}

/// Puts on sale, and on the shelves, what the stories are about.
pub(crate) async fn fill(shop: &Shop) -> anyhow::Result<()> {
    for (sku, name, cents, on_hand) in CATALOGUE {
        shop.put_product(sku, name, cents).await?;
        if let Some(on_hand) = on_hand {
            shop.put_stock(sku, on_hand).await?;
        }
    }
    Ok(())
}

/// Has one order go all the way before the others: services that have just started join their
/// consumer groups meanwhile, which takes seconds and would be all that the other stories show.
async fn rehearse(shop: &Shop, journal: &Journal, run: &str) {
    let first = play(shop, journal, &STORIES[0], format!("{run}-0")).await;
    match first.end {
        Ok((_, took)) => eprintln!("the first order took {:.1} s", took.as_secs_f64()),
        Err(reason) => eprintln!("the first order failed: {reason}"),
    }
}

/// Plays all stories, with a line as each ends; returns them in their own order.
async fn play_all(shop: &Shop, journal: &Journal, run: &str) -> Vec<Played> {
    println!("\n{}\n", style("Placing an order for each way an order can go").bold());
    let mut playing: FuturesUnordered<_> = (1..)
        .zip(&STORIES)
        .map(|(number, story)| async move {
            (number, play(shop, journal, story, format!("{run}-{number}")).await)
        })
        .collect();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW);
    let mut played: Vec<(usize, Played)> = Vec::new();
    bar.set_message(waiting_for(&played));
    while let Some((number, one)) = playing.next().await {
        bar.suspend(|| println!("{}", progress(journal, &one)));
        played.push((number, one));
        bar.set_message(waiting_for(&played));
    }
    bar.finish_and_clear();
    played.sort_by_key(|(number, _)| *number);
    played.into_iter().map(|(_, one)| one).collect()
}

fn waiting_for(played: &[(usize, Played)]) -> String {
    let is_open = |title: &&str| played.iter().all(|(_, one)| one.story.title != *title);
    let open: Vec<&str> = STORIES.iter().map(|story| story.title).filter(is_open).collect();
    format!("waiting for: {}", open.join(", "))
}

fn events_of(journal: &Journal, played: &Played) -> Vec<ReadEvent> {
    played.order.map(|order| journal.of(order)).unwrap_or_default()
}

fn progress(journal: &Journal, played: &Played) -> String {
    let (mark, end) = marked(played, &events_of(journal, played));
    let after = match &played.end {
        Ok((_, took)) => format!("{:>6} ms", took.as_millis()),
        Err(_) => String::new(),
    };
    format!("  {mark} {:<20} {end:<30} {}", played.story.title, style(after).dim())
}

/// The mark, and how the story ended.
fn marked(played: &Played, events: &[ReadEvent]) -> (String, String) {
    match played.verdict(events) {
        Ok(()) => (style("✔").green().bold().to_string(), played.story.end.to_owned()),
        Err(reason) => (style("✘").red().bold().to_string(), reason),
    }
}

fn tell(number: usize, played: &Played, events: &[ReadEvent]) {
    let width = width();
    let title = format!("{number}  {} ", played.story.title);
    let rule = "─".repeat(width.saturating_sub(measure_text_width(&title)));
    println!("\n{}{}", style(title).bold(), style(rule).dim());
    println!("   {}\n", played.story.because);
    for line in tree::draw(&played.acts, events, width) {
        println!("{line}");
    }
    let (mark, end) = marked(played, events);
    println!("\n   expected: {}   actual: {end} {mark}", played.story.end);
}

fn width() -> usize {
    let terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    terminal.unwrap_or(WIDTH_MAX).min(WIDTH_MAX)
}
