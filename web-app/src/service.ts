// The service worker: keeps the page for offline use, and sends the headers that let it use several threads where the
// web server does not.  It answers requests for the page's own files only.

declare const VERSION: string, FIRST: string[], POLICY: string; // set by build.mjs
const scope = self as unknown as ServiceWorkerGlobalScope,
  NAME = `driftrec ${VERSION}`;

const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": POLICY,
};

scope.addEventListener("install", event => event.waitUntil(keepFirst()));
scope.addEventListener("activate", event => event.waitUntil(takeOver()));
scope.addEventListener("fetch", event => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(scope.registration.scope)) event.respondWith(found(request));
});

async function keepFirst(): Promise<void> {
  const cache = await caches.open(NAME);
  await cache.addAll(FIRST.map(path => new Request(path, { cache: "reload" })));
}

async function takeOver(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith("driftrec ") && name !== NAME) await caches.delete(name);
  await scope.clients.claim();
}

async function found(request: Request): Promise<Response> {
  const cache = await caches.open(NAME),
    kept = await cache.match(request, { ignoreSearch: true });
  if (kept) return withHeaders(kept);
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(request, answer.clone());
  return withHeaders(answer);
}

function withHeaders(answer: Response): Response {
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
