//! Pieces of a page: its style, text, figures and tables.

use std::fmt::{Display, Write};

/// Colours and layout of the page.
pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--fg:#1d2330;--dim:#667;--bg:#fff;--line:#d5d9e2;--good:#187a3c;--bad:#b3261e;
--s0:#9fb7d0;--s1:#4f86c6;--s2:#e0a100;--s3:#e0570f;--s4:#c4122f}
@media (prefers-color-scheme:dark){:root{--fg:#e4e7ee;--dim:#98a0b3;--bg:#14171e;--line:#343a48;--good:#5fd38a;
--bad:#ff8a80;--s0:#41566e;--s1:#5f9be6;--s2:#f2c230;--s3:#ff8a3c;--s4:#ff5470}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:72rem;margin:2rem auto;
padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.15rem .8rem .15rem 0;text-align:left;
vertical-align:top}th{font-weight:600}td.n,th.n{text-align:right}caption{text-align:left;color:var(--dim)}
.scroll{overflow-x:auto}.good{color:var(--good);font-weight:700}.bad{color:var(--bad);font-weight:700}.dim{color:var(--dim)}
.maps{display:flex;flex-wrap:wrap;gap:1rem}.maps figure{margin:0;flex:1 1 24rem}svg{width:100%;height:auto}
svg path{fill:none}.grid{fill:none;stroke:var(--line)}.out{stroke:var(--dim);stroke-width:.4;opacity:.6}
.sx{stroke:var(--dim);stroke-width:1;stroke-dasharray:2 2}.s0{stroke:var(--s0);stroke-width:1.2}
.s1{stroke:var(--s1);stroke-width:1.4}.s2{stroke:var(--s2);stroke-width:1.8}.s3{stroke:var(--s3);stroke-width:2.2}
.s4{stroke:var(--s4);stroke-width:2.6}.key span{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:1.4rem;height:.3rem;margin-right:.4rem;vertical-align:middle}
";

/// Text as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A figure to four digits.
pub(super) fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return "&ndash;".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 8) as usize;
    if value.abs() < 1e-4 { format!("{value:.2e}") } else { format!("{value:.digits$}") }
}

/// A table; cells are HTML already. Columns after the first `texts` are figures.
pub(super) fn table(page: &mut String, head: &[&str], texts: usize, rows: &[Vec<String>]) {
    let class = |column: usize| if column < texts { "" } else { " class=\"n\"" };
    page.push_str("<div class=\"scroll\"><table>\n<tr>");
    for (column, name) in head.iter().enumerate() {
        let _ = write!(page, "<th{}>{}</th>", class(column), escape(name));
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(page, "<td{}>{cell}</td>", class(column));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// Names and values.
pub(super) fn pairs(page: &mut String, rows: Vec<(&str, String)>) {
    page.push_str("<table>\n");
    for (name, value) in rows {
        let _ = writeln!(page, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</table>\n");
}

/// Heading of a section.
pub(super) fn heading(page: &mut String, text: impl Display) {
    let _ = writeln!(page, "<h2>{text}</h2>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        let shown = [0.0, 1234.56, -12.3456, 0.012_345_6, 3e-7, f64::NAN].map(figure);
        assert_eq!(shown, ["0", "1235", "-12.35", "0.01235", "3.00e-7", "&ndash;"]);
    }
}
