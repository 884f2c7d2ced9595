//! Tables. On a narrow screen each row is a block of its own, with the titles of the columns beside the values.

use maud::{Markup, html};

/// A table in the making.
pub struct Table<'t> {
    caption: &'t str,
    titles: Vec<&'t str>,
    rows: Vec<Vec<Markup>>,
}

impl<'t> Table<'t> {
    /// With these columns. The caption is for those who do not see what is around it.
    pub fn new(caption: &'t str, titles: impl IntoIterator<Item = &'t str>) -> Self {
        Self { caption, titles: titles.into_iter().collect(), rows: Vec::new() }
    }

    /// One more row; its first cell says what it is about.
    pub fn row(&mut self, cells: Vec<Markup>) {
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table; `id` is for scripts that add to it.
    pub fn show(&self, id: &str) -> Markup {
        html! {
            table id=(id) {
                caption .unseen { (self.caption) }
                thead { tr { @for title in &self.titles { th scope="col" { (title) } } } }
                tbody {
                    @for row in &self.rows {
                        tr {
                            @for (index, (cell, title)) in row.iter().zip(&self.titles).enumerate() {
                                @if index == 0 { th scope="row" { (cell) } } @else { td data-title=(title) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
