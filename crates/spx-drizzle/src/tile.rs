//! Accumulators: a square of output pixels in all planes, owned by one worker at a time.

use std::ops::Range;

use spx_core::map::Passband;

use crate::DrizzleError;
use crate::addition::{Add, AdditionContext, Cursor};
use crate::kernel::SpatialKernel;
use crate::numbers::floor;
use crate::planes::{OptionalSums, OutputPlanes};
use crate::region::ReachedRegion;
use crate::source::{DropletSource, FiledDroplets};
use crate::voxel::{Mean, Voxel, Voxels};

/// A square of output pixels in all planes; its voxels are allocated when the first droplet comes.
#[derive(Debug)]
pub(crate) struct SumTile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    /// `[z][y][x]` within the tile.
    voxels: Option<Voxels>,
    optional: OptionalSums,
}

impl SumTile {
    pub(crate) fn new(rows: Range<usize>, columns: Range<usize>) -> Self {
        Self { rows, columns, voxels: None, optional: OptionalSums::default() }
    }

    /// The voxels of an output row in a plane; `None` where nothing has come to the tile.
    pub(crate) fn row(&self, y: usize, z: usize) -> Option<impl Iterator<Item = Voxel>> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx;
        let voxels = self.voxels.as_ref()?;
        Some((first..first + nx).map(|k| voxels.get(k)))
    }

    /// The optional sums of an output row in a plane, `[x][sum]`; `None` where nothing has come to
    /// the tile.
    pub(crate) fn optional_row(&self, y: usize, z: usize, sums: usize) -> Option<&[f64]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx * sums;
        self.optional.sums.get(first..first + nx * sums)
    }

    /// A word of the context of an output row in a plane; `None` where no exposure of that word has
    /// come.
    pub(crate) fn context_row(&self, y: usize, z: usize, word: usize) -> Option<&[u32]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx;
        self.optional.context.get(word)?.get(first..first + nx)
    }

    /// Voxels of one plane.
    fn plane_len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Voxels with more contributions than COUNT can tell.
    pub(crate) fn saturated(&self) -> u64 {
        let saturated = |voxels: &&Voxel| voxels.count > u32::from(u16::MAX);
        match &self.voxels {
            Some(Voxels::All(voxels)) => voxels.iter().filter(saturated).count() as u64,
            _ => 0,
        }
    }

    /// Adds droplets in their order.
    pub(crate) fn add<K: SpatialKernel>(
        &mut self,
        source: &impl DropletSource,
        shares: &AdditionContext<'_, K>,
        cursor: &mut Cursor,
    ) -> Result<(), DrizzleError> {
        self.allocate(shares.wavelengths.bins(), shares.planes)?;
        if let Some(number) = shares.number {
            self.optional.allocate_context(number, self.len())?;
        }
        let shape = [self.rows.len(), self.columns.len()];
        if let Some(voxels) = &mut self.voxels {
            let optional = &mut self.optional;
            pulp::Arch::new().dispatch(Add { voxels, optional, shape, source, shares, cursor });
        }
        Ok(())
    }

    /// Stands for another place of the output from now on, with the same memory; false where its
    /// shape does not allow that.
    pub(crate) fn take_place(&mut self, rows: &Range<usize>, columns: &Range<usize>) -> bool {
        let fits = (self.rows.len(), self.columns.len()) == (rows.len(), columns.len());
        if fits {
            (self.rows, self.columns) = (rows.clone(), columns.clone());
        }
        fits
    }

    /// Gives away the means of plane `z`, of a plan that keeps nothing else, with the number of
    /// their voxel; the plane is empty then.
    #[expect(clippy::cast_possible_truncation, reason = "means in single precision; a tile has few voxels")]
    pub(crate) fn drain_means(&mut self, z: usize, mut take: impl FnMut(u32, f32)) {
        let plane = self.plane_len();
        let Some(Voxels::Means(means)) = &mut self.voxels else { return };
        for (voxel, mean) in (z * plane..).zip(&mut means[z * plane..(z + 1) * plane]) {
            let Mean { flux, weight } = std::mem::take(mean);
            if weight != 0.0 {
                take(voxel as u32, (flux / weight) as f32);
            }
        }
    }

    /// Ends an exposure, which had this constant weight.
    pub(crate) fn end_exposure(&mut self, planes: &OutputPlanes, constant: Option<f64>) {
        self.optional.end_exposure(planes, constant);
    }

    /// Takes the memory of all sums but the context.
    pub(crate) fn allocate(&mut self, nz: usize, planes: &OutputPlanes) -> Result<(), DrizzleError> {
        if self.voxels.is_none() {
            let (nx, ny) = (self.columns.len(), self.rows.len());
            let voxels = Voxels::new(planes.only_mean, nz * self.plane_len());
            self.voxels = Some(voxels.ok_or(DrizzleError::Size { nx, ny, nz })?);
            self.optional.allocate(planes, self.len())?;
        }
        Ok(())
    }

    /// Voxels that there is memory for.
    fn len(&self) -> usize {
        self.voxels.as_ref().map_or(0, Voxels::len)
    }

    /// Brings the voxels of a part of the output into the cache, from one end to the other, which
    /// memory does several times as fast as it serves the droplets' scattered accesses. Changes
    /// nothing.
    pub(crate) fn fetch(&self, region: &ReachedRegion<'_>) {
        let Some(voxels) = &self.voxels else { return };
        for (y, columns) in (region.first_row..).zip(region.columns).filter(|(y, _)| self.rows.contains(y)) {
            let (start, end) = (columns.start.max(self.columns.start), columns.end.min(self.columns.end));
            if start < end {
                let first = (y - self.rows.start) * self.columns.len() + start - self.columns.start;
                for z in region.planes.clone() {
                    let first = z * self.plane_len() + first;
                    voxels.fetch(first..first + end - start);
                }
            }
        }
    }

    /// The same for the rows that filed droplets reach.
    pub(crate) fn fetch_for<K>(&self, filed: &FiledDroplets, shares: &AdditionContext<'_, K>) {
        /// Droplets that are looked at to learn about all.
        const SAMPLE: usize = 8;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for droplet in filed.droplets.iter().step_by(SAMPLE) {
            (low, high) = (low.min(droplet.y), high.max(droplet.y));
        }
        let place = |v: f64| usize::try_from(floor(v)).unwrap_or(0).min(self.rows.len());
        let (first, end) = (place(low), place(high + 2.0));
        if filed.droplets.len() >= (end - first) * self.columns.len() / 8 {
            let columns = vec![self.columns.clone(); end - first];
            let half = |band: &Passband| band.width * shares.half_z_shrink;
            let bands = filed.bands.iter();
            let least = bands.clone().map(|band| band.center - half(band)).fold(f64::INFINITY, f64::min);
            let greatest = bands.map(|band| band.center + half(band)).fold(0.0, f64::max);
            // Without passbands there is one plane.
            let planes = shares.wavelengths.bin_of(least)..=shares.wavelengths.bin_of(greatest.max(least));
            self.fetch(&ReachedRegion { first_row: self.rows.start + first, columns: &columns, planes });
        }
    }
}

/// Sums that come from elsewhere.
impl SumTile {
    /// Whether an image of `nx` columns has anything in this tile.
    pub(crate) fn any<T: Default + PartialEq>(&self, image: &[T], nx: usize) -> bool {
        self.rows.clone().any(|y| image[y * nx..][self.columns.clone()].iter().any(|v| *v != T::default()))
    }

    /// Sets a sum of each voxel of plane `z` from an image of `nx` columns, if there are voxels.
    pub(crate) fn set_plane<T: Copy>(
        &mut self,
        z: usize,
        image: &[T],
        nx: usize,
        set: impl Fn(&mut Voxel, T),
    ) {
        let (first, nx_of_tile) = (z * self.plane_len(), self.columns.len());
        let Some(voxels) = &mut self.voxels else { return };
        for (k, y) in self.rows.clone().enumerate() {
            for (voxel, value) in (first + k * nx_of_tile..).zip(&image[y * nx..][self.columns.clone()]) {
                voxels.change(voxel, |voxel| set(voxel, *value));
            }
        }
    }

    /// Sets the k-th of `sums` optional sums of plane `z`, if there is memory for them.
    pub(crate) fn set_optional(&mut self, z: usize, image: &[f64], nx: usize, (k, sums): (usize, usize)) {
        let plane = self.plane_len() * sums;
        let Some(values) = self.optional.sums.get_mut(z * plane..(z + 1) * plane) else { return };
        for (row, y) in values.chunks_exact_mut(self.columns.len() * sums).zip(self.rows.clone()) {
            let values = &image[y * nx..][self.columns.clone()];
            row.iter_mut().skip(k).step_by(sums).zip(values).for_each(|(sum, value)| *sum = *value);
        }
    }

    /// Sets a word of the context of plane `z`.
    pub(crate) fn set_context(
        &mut self,
        z: usize,
        image: &[u32],
        nx: usize,
        word: usize,
    ) -> Result<(), DrizzleError> {
        let (plane, width) = (self.plane_len(), self.columns.len());
        self.optional.allocate_words(word + 1, self.len())?;
        let bits = self.optional.context[word].iter_mut().skip(z * plane);
        let values = self.rows.clone().flat_map(|y| &image[y * nx..][self.columns.start..][..width]);
        bits.zip(values).for_each(|(bits, value)| *bits = *value);
        Ok(())
    }

    /// Adds the sums of the same tile of another drizzle, whose exposures are counted from `first`
    /// on.
    pub(crate) fn merge(
        &mut self,
        other: &Self,
        nz: usize,
        planes: &OutputPlanes,
        first: u32,
    ) -> Result<(), DrizzleError> {
        let Some(more) = &other.voxels else { return Ok(()) };
        self.allocate(nz, planes)?;
        if let Some(voxels) = &mut self.voxels {
            voxels.merge(more);
        }
        self.optional.merge(&other.optional, first, self.len())
    }
}
