// Zoom of the maps: all are as many times as large as their frames, which scroll together and keep what is chosen in sight.

const ZOOM_KEY = 0.5; // powers of two that a key zooms by
const ZOOM_WHEEL = -1 / 240; // and a pixel of the wheel

function buildZoom() {
  const slider = byId("zoom");
  const frames = Array.from(document.querySelectorAll("#maps .zoomed"));
  const [lead] = frames;
  let times = 1;

  // What lies at ``at``, in pixels of the frame, stays there.
  const zoom = (power, at) => {
    slider.value = String(power);
    const before = times;
    times = 2 ** slider.value;
    tell();
    for (const frame of frames) {
      frame.style.setProperty("--zoom", times);
      frame.classList.toggle("near", times > 1);
    }
    const moved = (offset, fixed) => ((offset + fixed) * times) / before - fixed;
    lead.scrollTo(moved(lead.scrollLeft, at[0]), moved(lead.scrollTop, at[1]));
  };
  const tell = () => {
    slider.setAttribute("aria-valuetext", `× ${times.toFixed(1)}`);
    byId("zoom-times").textContent = `× ${times.toFixed(1)}`;
  };
  const zoomToChosen = (power) => {
    zoom(power, [lead.clientWidth / 2, lead.clientHeight / 2]);
    follow();
  };
  // Of the chosen column, and row if there is one: [start, size, from where it is in sight, how much is]
  const chosenPlaces = () => {
    const [column, row] = ["column", "row"].map((kind) => lead.querySelector(`.marker.${kind}`));
    const down = lead.clientHeight - lead.querySelector(".axis").offsetHeight;
    return [
      [column.offsetLeft, column.offsetWidth, lead.scrollLeft, lead.clientWidth],
      [row.offsetTop, row.offsetHeight, lead.scrollTop, down],
    ];
  };
  const follow = () => {
    const [left, top] = chosenPlaces().map(([start, size, from, room]) => {
      const inSight = start >= from && start + size <= from + room;
      return !size || inSight ? from : start + (size - room) / 2;
    });
    lead.scrollTo(left, top);
  };

  slider.addEventListener("input", () => zoomToChosen(Number(slider.value)));
  for (const frame of frames) {
    frame.addEventListener("scroll", () => frames.forEach((other) => other.scrollTo(frame.scrollLeft, frame.scrollTop)));
    frame.addEventListener("keydown", (event) => {
      const by = { "+": ZOOM_KEY, "=": ZOOM_KEY, "-": -ZOOM_KEY }[event.key];
      if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
      zoomToChosen(Number(slider.value) + by);
      event.preventDefault();
    });
    frame.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        const { left, top } = frame.getBoundingClientRect();
        zoom(Number(slider.value) + event.deltaY * ZOOM_WHEEL, [event.clientX - left, event.clientY - top]);
      },
      { passive: false },
    );
  }
  onChoice((changed) => {
    if (changed.has("language")) tell();
    if (times > 1) follow();
  });
}
