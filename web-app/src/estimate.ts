// A network's estimate of the picture: red, green and blue planes whose lines are `stride` numbers apart.
//
// The numbers are parts of a level of 8 bits, which takes half the memory of single precision.

export interface Estimate {
  data: Int16Array;
  stride: number;
  size: number; // of a plane
}

export const PARTS = 64; // of a level

// The nearest number for a value in levels.
export const parts = (levels: number) => Math.min(Math.max(Math.round(PARTS * levels), -32768), 32767);
