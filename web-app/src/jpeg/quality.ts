// The libjpeg quality with the nearest luma table, as driftrec.jpeg.tables.ijg_quality finds it.

export function quality(table: number[], luma: number[]): { quality: number; exact: boolean } {
  let best = 100,
    least = Infinity,
    exact = false;
  for (let quality = 100; quality >= 1; quality--) {
    // of equal tables, the highest quality is the usual one
    const scale = Math.trunc(quality < 50 ? 5000 / quality : 200 - 2 * quality);
    const scaled = luma.map(step => Math.min(Math.max(Math.floor((step * scale + 50) / 100), 1), 255));
    const distance = scaled.reduce((sum, step, i) => sum + Math.abs(Math.log(step / table[i])), 0);
    if (distance < least) [best, least, exact] = [quality, distance, scaled.every((step, i) => step === table[i])];
  }
  return { quality: best, exact };
}
