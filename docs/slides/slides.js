// Turns the slides: arrows, space, Page Up and Down, Home, End; the place stands in the address.
document.addEventListener("DOMContentLoaded", async () => {
  const slides = [...document.querySelectorAll("section")];
  const place = document.getElementById("place");
  let at = 0;

  document.body.getBoundingClientRect(); // asks for the fonts that are used
  await document.fonts.ready;
  for (const slide of slides) { // what would not fit is set smaller
    for (let size = 30; slide.scrollHeight > 720 && size > 14; size--) slide.style.fontSize = `${size}px`;
  }

  function show(wanted) {
    at = Math.max(0, Math.min(slides.length - 1, wanted));
    slides.forEach((slide, k) => { slide.hidden = k !== at; });
    place.value = `${at + 1} / ${slides.length}`;
    history.replaceState(null, "", `#${at + 1}`);
  }
  const fit = () => document.documentElement.style.setProperty("--scale", Math.min(innerWidth / 1280, innerHeight / 720));
  const turns = {
    ArrowLeft: -1, PageUp: -1, ArrowUp: -1, ArrowRight: 1, PageDown: 1, ArrowDown: 1, " ": 1, Home: -Infinity, End: Infinity,
  };

  document.addEventListener("keydown", (event) => {
    const taken = event.target.closest("input, summary, button") && !event.key.startsWith("Page");
    if (taken || !(event.key in turns) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(at + turns[event.key]);
  });
  document.getElementById("back").addEventListener("click", () => show(at - 1));
  document.getElementById("on").addEventListener("click", () => show(at + 1));
  addEventListener("resize", fit);
  addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  fit();
  show(Number(location.hash.slice(1)) - 1 || 0);
});
