//! HTML pages that need nothing else.

use super::{DotPlot, Picture, PictureError};

const STYLE: &str = include_str!("page.css");

/// Text as HTML shows it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A whole page: `body` is HTML, `title` is text.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// A drawing with its title above and its caption below; `svg` is an SVG
/// document.
pub fn figure(title: &str, svg: &str, caption: &str) -> String {
    format!(
        "<figure>\n<figcaption><b>{}</b></figcaption>\n{svg}\n<figcaption>{}</figcaption>\n</figure>\n",
        escaped(title),
        escaped(caption)
    )
}

impl Picture {
    /// The chart as a figure of a page.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    pub fn to_figure(&self) -> Result<String, PictureError> {
        Ok(figure(&self.title, &self.to_svg()?, &self.caption))
    }
}

impl DotPlot {
    /// The plot as a figure of a page.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    pub fn to_figure(&self) -> Result<String, PictureError> {
        Ok(figure(&self.title, &self.to_svg()?, &self.caption))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("a < b & \"c\" > d"), "a &lt; b &amp; &quot;c&quot; &gt; d");
        let page = page("<x>", &figure("a<b", "<svg></svg>", "c&d"));
        assert!(page.contains("<title>&lt;x&gt;</title>") && page.contains("<b>a&lt;b</b>"));
        assert!(page.contains("<svg></svg>") && page.contains("c&amp;d") && page.ends_with("</html>\n"));
    }
}
