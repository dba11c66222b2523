// What the page takes from the Python package, written by integrations/static_page.py; names and units are the same
// there.

export interface Facts {
  name: string;
  multiple: number; // sides of what the network sees are multiples of this many pixels
  regression: number; // the ratio that asks for the faithful estimate
  plan: { level: number; lowest: number; highest: number; texture: number }; // lowest and highest: logarithms of ratios
  cost: { denoiser: number; finisher: number }; // multiply-adds per pixel
  noise: { state: string; inc: string }; // of PCG64 for the seed 0, hexadecimal
  tiling: { tile: number; blind: number; feather: number };
  low_band: number[]; // distances
  flat: { side: number; flat: number; textured: number };
  cells: { margin: number; narrow: number; soft: number; edge_passes: number; misfits: number; rounding: number };
  binding: Record<
    | "outside"
    | "quality"
    | "nonzero"
    | "texture"
    | "constant"
    | "sharp"
    | "least_certain"
    | "least_outside"
    | "least_nonzero"
    | "least_texture"
    | "coarse"
    | "small"
    | "varied"
    | "none"
    | "full"
    | "blocks",
    number
  > & { frequencies: number[] };
  chroma: { sides: number[]; weights: number[][]; least_contrast: number; least_left: number; rounds: number };
  solid: Record<
    | "tile"
    | "flat"
    | "least_share"
    | "least"
    | "most"
    | "looked_at"
    | "same"
    | "different"
    | "around"
    | "steady"
    | "end"
    | "rounded"
    | "close"
    | "near"
    | "far"
    | "near_side"
    | "sharp"
    | "least_certain"
    | "rounds",
    number
  > & { sides: number[]; colour_weights: number[]; pixel_weights: number[] };
  luma: number[]; // table K.1 of ITU-T T.81
  natural: number[]; // position in natural order of the k-th stored coefficient
}
