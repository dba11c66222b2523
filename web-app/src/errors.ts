// An error whose message is one clause for people, said after the name of the file: "is not a JPEG: …".
export class PictureError extends Error {}
