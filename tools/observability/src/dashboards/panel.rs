//! What a dashboard is made of.

use super::colour::Colour;

/// A page of panels.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// By which others link to it; it never changes.
    pub uid: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it is for, in a sentence.
    pub description: &'static str,
    /// What one chooses on it, beside the data source.
    pub variables: Vec<Variable>,
    /// How far back it looks, such as `1h`.
    pub since: &'static str,
    /// What is marked on all its charts.
    pub marks: Vec<Mark>,
    /// What is on it, from the top.
    pub rows: Vec<Row>,
}

/// Something that one chooses from a list, and that queries name as `$name`.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name in queries.
    pub name: &'static str,
    /// The label before the list.
    pub label: &'static str,
    /// The query for the values to choose from.
    pub query: &'static str,
    /// What is chosen at first.
    pub first: String,
}

/// A moment that is marked on all charts: whenever a query has something to tell.
#[derive(Debug, Clone)]
pub struct Mark {
    /// What is marked.
    pub name: &'static str,
    /// When something comes of this, there is a mark.
    pub expr: &'static str,
    /// What the mark says, with the query's labels as `{{label}}`.
    pub says: &'static str,
    /// Its colour.
    pub colour: Colour,
}

/// Panels that belong together.
#[derive(Debug, Clone)]
pub struct Row {
    /// Above them; nothing if it is empty.
    pub title: &'static str,
    /// Of each panel, in Grafana's units of about 30 pixels.
    pub height: u32,
    /// From the left.
    pub panels: Vec<Panel>,
}

impl Row {
    /// A row of these panels.
    pub fn new(title: &'static str, height: u32, panels: Vec<Panel>) -> Self {
        Self { title, height, panels }
    }

    /// The first row: single numbers that together say how things are.
    pub fn sentence(panels: Vec<Panel>) -> Self {
        Self::new("", 4, panels)
    }
}

/// How a panel shows what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One number, with its course behind it.
    Stat,
    /// Lines over time.
    Lines,
    /// The same, one upon the other, where the sum says something.
    Stacked,
    /// How often which duration occurred, over time, from a histogram.
    Heatmap,
    /// A table of what is now.
    Table,
    /// Bars of colour over time, one for each series: in which state it was.
    States,
    /// Bars of what is now, the longest first.
    Bars,
}

/// What numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Things a second.
    PerSecond,
    /// Things a minute.
    PerMinute,
    /// Things an hour.
    PerHour,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share, 0 to 1.
    Share,
    /// Money, in whole units of a currency that the legend names.
    Money,
}

/// A query, and the name of what comes of it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The query, in `PromQL`.
    pub expr: String,
    /// The series' name, with its labels as `{{label}}`; in a table, the title of the column of values.
    pub legend: String,
    /// Where it is not the panel's: in a table each column of values has its own.
    pub unit: Option<Unit>,
}

/// A column of a table: a label.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The label's name.
    pub label: &'static str,
    /// The column's title.
    pub title: &'static str,
}

/// A piece of a dashboard that shows one thing.
#[derive(Debug, Clone)]
pub struct Panel {
    /// How it shows it.
    pub kind: Kind,
    /// Its title.
    pub title: String,
    /// What it shows and what to make of it, in a sentence or two.
    pub description: String,
    /// What the numbers mean.
    pub unit: Unit,
    /// Its width, in Grafana's units: [`super::PAGE_WIDTH`] is the page's.
    pub width: u32,
    /// What is shown.
    pub targets: Vec<Target>,
    /// The colours of series, by their names; others are shades of one colour.
    pub colours: Vec<(String, Colour)>,
    /// From which value on which colour; below the first it is [`Panel::base`].
    pub thresholds: Vec<(f64, Colour)>,
    /// The colour below all thresholds.
    pub base: Colour,
    /// What single values are called, and their colours.
    pub states: Vec<(u32, &'static str, Colour)>,
    /// The labels that a table shows.
    pub columns: Vec<Column>,
    /// What is shown when nothing comes of the queries.
    pub nothing: &'static str,
    /// The largest value there can be, for what has one.
    pub max: Option<f64>,
    /// The uid of the dashboard that tells more.
    pub see: Option<&'static str>,
}

impl Panel {
    fn new(kind: Kind, title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            kind,
            title: title.into(),
            description: description.into(),
            unit: Unit::Count,
            width: 12,
            targets: Vec::new(),
            colours: Vec::new(),
            thresholds: Vec::new(),
            base: Colour::Plain,
            states: Vec::new(),
            columns: Vec::new(),
            nothing: "not known",
            max: None,
            see: None,
        }
    }

    /// One number. Six of them fill a row.
    pub fn stat(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::Stat, title, description).width(4)
    }

    /// Lines over time.
    pub fn lines(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::Lines, title, description)
    }

    /// Areas over time, one upon the other.
    pub fn stacked(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::Stacked, title, description)
    }

    /// How often which duration occurred, over time.
    pub fn heatmap(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::Heatmap, title, description).unit(Unit::Seconds)
    }

    /// A table of what is now.
    pub fn table(
        title: impl Into<String>,
        description: impl Into<String>,
        columns: &[Column],
    ) -> Self {
        let columns = columns.to_vec();
        Self { columns, nothing: "nothing", ..Self::new(Kind::Table, title, description) }
    }

    /// In which state each series was.
    pub fn states(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::States, title, description)
    }

    /// Bars of what is now.
    pub fn bars(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Kind::Bars, title, description)
    }

    /// With this query, named so.
    #[must_use]
    pub fn query(mut self, legend: impl Into<String>, expr: impl Into<String>) -> Self {
        self.targets.push(Target { expr: expr.into(), legend: legend.into(), unit: None });
        self
    }

    /// With this query, named so, in a unit of its own: a table's column.
    #[must_use]
    pub fn column(
        mut self,
        legend: impl Into<String>,
        unit: Unit,
        expr: impl Into<String>,
    ) -> Self {
        self.targets.push(Target { expr: expr.into(), legend: legend.into(), unit: Some(unit) });
        self
    }

    /// In this unit.
    #[must_use]
    pub fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// So wide.
    #[must_use]
    pub fn width(self, width: u32) -> Self {
        Self { width, ..self }
    }

    /// With these colours of series, by their names.
    #[must_use]
    pub fn colours<N: Into<String>>(self, named: impl IntoIterator<Item = (N, Colour)>) -> Self {
        let colours = named.into_iter().map(|(name, colour)| (name.into(), colour)).collect();
        Self { colours, ..self }
    }

    /// Good, unless it is as much as this: then of this colour.
    #[must_use]
    pub fn good_below(self, value: f64, colour: Colour) -> Self {
        self.base(Colour::Good).above(value, colour)
    }

    /// Of this colour below all thresholds.
    #[must_use]
    pub fn base(self, base: Colour) -> Self {
        Self { base, ..self }
    }

    /// From this value on of this colour.
    #[must_use]
    pub fn above(mut self, value: f64, colour: Colour) -> Self {
        self.thresholds.push((value, colour));
        self
    }

    /// With this state: a value, what it is called, and its colour.
    #[must_use]
    pub fn state(mut self, value: u32, name: &'static str, colour: Colour) -> Self {
        self.states.push((value, name, colour));
        self
    }

    /// With this to show when nothing comes of the queries.
    #[must_use]
    pub fn nothing(self, nothing: &'static str) -> Self {
        Self { nothing, ..self }
    }

    /// With this as the largest value.
    #[must_use]
    pub fn max(self, max: f64) -> Self {
        Self { max: Some(max), ..self }
    }

    /// With a link to the dashboard that tells more.
    #[must_use]
    pub fn see(self, uid: &'static str) -> Self {
        Self { see: Some(uid), ..self }
    }
}
