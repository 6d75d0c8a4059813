//! An owned plane of pixels.

/// Row-major plane, row 0 first.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<T> {
    width: usize,
    height: usize,
    data: Vec<T>,
}

impl<T: Clone> Image<T> {
    /// A plane of `width` x `height` pixels, all `fill`.
    pub fn new(width: usize, height: usize, fill: T) -> Self {
        Self { width, height, data: vec![fill; width * height] }
    }

    /// From row-major pixels; `None` when their number is not `width * height`.
    pub fn from_vec(width: usize, height: usize, data: Vec<T>) -> Option<Self> {
        (data.len() == width * height).then_some(Self { width, height, data })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row `y`.
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    /// Row `y`, to be changed.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.data[y * self.width..(y + 1) * self.width]
    }

    /// All pixels.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All pixels, to be changed.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
}
