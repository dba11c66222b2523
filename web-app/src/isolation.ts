// Several threads need a page that is isolated from others, by headers of the server.  Where they are missing, the
// service worker adds them: the page is then loaded once more.

const TRIED = "driftrec isolation tried";

export async function isolated(): Promise<void> {
  const workers = navigator.serviceWorker;
  if (!workers || !isSecureContext) return;
  const registration = await workers.register("service.js").catch(() => null);
  if (!registration || crossOriginIsolated || sessionStorage.getItem(TRIED)) return;
  if (!workers.controller)
    await new Promise(resolve => workers.addEventListener("controllerchange", resolve, { once: true }));
  sessionStorage.setItem(TRIED, "1");
  location.reload();
  await new Promise(() => {}); // nothing else happens on the page that is left
}
