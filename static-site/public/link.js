// Counts a visit once somebody really sees the page: not when a browser loads it ahead.
// Nothing is sent but the address of the link, and nothing is kept here.
(() => {
  const look = () => {
    if (document.prerendering || document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", look);
    document.removeEventListener("prerenderingchange", look);
    navigator.sendBeacon(`${location.pathname.split("/").slice(0, 3).join("/")}/visit`);
  };
  document.addEventListener("visibilitychange", look);
  document.addEventListener("prerenderingchange", look);
  look();
})();
