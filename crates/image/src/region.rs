//! A rectangle of pixels.

/// Half-open rectangle: columns `x0 .. x0 + width`, rows `y0 .. y0 + height`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// First column.
    pub x0: i64,
    /// First row.
    pub y0: i64,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Region {
    /// One past the last column.
    pub fn x1(&self) -> i64 {
        self.x0 + self.width as i64
    }

    /// One past the last row.
    pub fn y1(&self) -> i64 {
        self.y0 + self.height as i64
    }

    /// Pixels.
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// Whether it holds no pixel.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The common part, or `None` when there is none.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let (x0, y0) = (self.x0.max(other.x0), self.y0.max(other.y0));
        let (x1, y1) = (self.x1().min(other.x1()), self.y1().min(other.y1()));
        (x1 > x0 && y1 > y0).then(|| Self { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize })
    }

    /// Whether `other` lies inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.x0 <= other.x0 && self.y0 <= other.y0 && self.x1() >= other.x1() && self.y1() >= other.y1()
    }
}
