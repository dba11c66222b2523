// What the page and its worker say to each other.

import type { Mode } from "./restore";

export type Request =
  | { kind: "start"; base: string; device: string | null; threads: number | null }
  | { kind: "inspect"; id: number; file: Blob }
  | { kind: "restore"; id: number; file: Blob; mode: Mode }
  | { kind: "save"; id: number; file: Blob; result: Result; strength: number; format: Format };

export type Answer =
  | { kind: "ready"; how: string }
  | { kind: "facts"; id: number; facts: FileFacts }
  | { kind: "progress"; id: number; done: number; seconds: number } // seconds since the first tile began
  | { kind: "result"; id: number; mode: Mode; result: Result }
  | { kind: "done"; id: number }
  | { kind: "saved"; id: number; blob: Blob }
  | { kind: "failed"; id: number; error: string; clause: boolean }; // a clause about the file, or what went wrong

export type Format = "png" | "webp";

// A restored picture, upright.
export interface Result {
  width: number;
  height: number;
  pixels: Blob; // 8 bits, red, green and blue
  png: Blob;
  gray: boolean;
  doubtful: boolean; // the file was probably edited or compressed before it was saved
}

export interface FileFacts {
  width: number;
  height: number;
  bytes: number;
  quality: number;
  exact: boolean;
  sampling: string;
  progressive: boolean;
  steps: [number, number]; // least and greatest of luma
  whole: boolean;
  keeps: string[]; // metadata
}
