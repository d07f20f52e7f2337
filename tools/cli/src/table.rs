use comfy_table::{ContentArrangement, Table, presets};

use crate::print::one_line;

/// An aligned table with no lines, as wide as it needs to be: made for eyes, `grep` and `awk`. A row
/// is a line, whatever its cells hold.
pub(crate) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    let rows = rows.into_iter().map(|row| row.map(|cell| one_line(&cell).into_owned()));
    table.add_rows(rows);
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}
