"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const player = $("player"), frame = $("frame"), stamp = $("stamp"), note = $("note");
  const buttons = [...document.querySelectorAll("[data-mode]")];
  const span = Math.max(data.duration - data.begin, 0.001);  // of a window, its own length
  const share = (t) => `${Math.min(100, Math.max(0, (100 * (t - data.begin)) / span))}%`;
  let mode = "", now = data.begin;

  const clock = (t) => {
    const s = Math.max(0, Math.floor(t + 1e-6)), m = Math.floor(s / 60) % 60;
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };
  const last = (list, t, time) => {  // index of the last item that has begun
    let low = 0, high = list.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (time(list[mid]) <= t + 1e-6) low = mid + 1; else high = mid;
    }
    return low - 1;
  };
  const picture = (t) =>
    data.frames.length ? data.frames[Math.max(0, last(data.frames, t, (f) => f[0]))][1] : "";
  const cueAt = (t) => {
    for (let i = last(data.cues, t, (c) => c[0]), n = 0; i >= 0 && n < 8; i--, n++)
      if (t < data.cues[i][1]) return i;
    return -1;
  };

  // The reel's clock: stretches of the video, one after the other.
  const toReel = (t) => {
    let offset = 0;
    for (const [a, b] of data.reel) {
      if (t >= a - 0.05 && t < b) return offset + Math.max(0, t - a);
      offset += b - a;
    }
    return null;
  };
  const fromReel = (r) => {
    for (const [a, b] of data.reel) {
      if (r < b - a) return a + r;
      r -= b - a;
    }
    return data.reel.length ? data.reel[data.reel.length - 1][1] : 0;
  };

  // Captions are made here: a browser refuses track files beside a page opened from disk.
  const track = data.cues.length ? player.addTextTrack("captions", data.ui.transcript, data.lang) : null;
  const caption = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  function setCaptions() {
    if (!track) return;
    track.mode = track.mode === "disabled" ? "hidden" : track.mode;
    while (track.cues && track.cues.length) track.removeCue(track.cues[0]);
    // Of a cue the reel may hold a part, or several.
    const parts = mode === "reel" ? data.reel : [[-Infinity, Infinity]];
    let offset = 0;
    for (const [begin, end] of parts) {
      const shift = mode === "reel" ? offset - begin : 0;
      for (const [a, b, text] of data.cues) {
        const from = Math.max(a, begin), to = Math.min(Math.max(b, a + 0.05), end);
        if (to > from) track.addCue(new VTTCue(from + shift, to + shift, caption(text)));
      }
      offset += end - begin;
    }
  }

  function setMode(next, why) {
    mode = root.dataset.mode = next;
    for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.mode === next));
    const still = next === "frames";
    player.hidden = still;
    frame.hidden = stamp.hidden = !still;
    if (still) player.pause();
    const source = next === "video" ? data.original : next === "reel" ? data.reelFile : "";
    if (source && player.getAttribute("src") !== source) player.src = source;
    note.textContent = why || "";
    setCaptions();
    show(now);
  }
  const has = (name) => buttons.some((b) => b.dataset.mode === name);
  function fail() {
    if (mode === "video") {
      buttons.filter((b) => b.dataset.mode === "video").forEach((b) => b.remove());
      if (has("reel")) setMode("reel", data.ui.fallbackReel);
      else if (has("frames")) setMode("frames", data.ui.fallbackFrames);
    } else if (mode === "reel") {
      buttons.filter((b) => b.dataset.mode === "reel").forEach((b) => b.remove());
      if (has("frames")) setMode("frames", data.ui.fallbackFrames);
    }
  }

  function seek(t) {
    now = Math.min(Math.max(data.begin, t), data.duration);
    if (mode === "reel") {
      const at = toReel(now);
      if (at !== null) player.currentTime = at;
      else if (has("video")) setMode("video");
      else if (has("frames")) setMode("frames");
    }
    if (mode === "video") player.currentTime = now;
    show(now);
  }
  function show(t) {
    now = t;
    $("head").style.left = share(t);
    plot.setAttribute("aria-valuenow", t.toFixed(1));
    plot.setAttribute("aria-valuetext", clock(t));
    if (wave) drawWave();
    if (mode === "frames") {
      frame.src = picture(t);
      stamp.textContent = clock(t);
    }
    const list = $("cues"), i = cueAt(t);
    if (!list || list.dataset.now === String(i)) return;
    list.dataset.now = String(i);
    list.querySelectorAll(".now").forEach((e) => e.classList.remove("now"));
    const row = i >= 0 && list.children[i] && list.children[i].firstElementChild;
    if (!row) return;
    row.classList.add("now");
    const top = row.offsetTop;
    if (top < list.scrollTop || top + row.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top - list.clientHeight / 3;
  }

  // Of sound alone: how loud it is, and how far it has been played.
  const wave = $("wave");
  function drawWave() {
    const width = wave.clientWidth, height = wave.clientHeight, ratio = window.devicePixelRatio || 1;
    wave.hidden = !data.loudness.length;
    wave.width = Math.round(width * ratio);
    wave.height = Math.round(height * ratio);
    const c = wave.getContext("2d");
    c.scale(ratio, ratio);
    data.loudness.forEach((v, i) => {
      const left = ((bins.start[i] - data.begin) / span) * width;
      const wide = ((bins.end[i] - bins.start[i]) / span) * width, high = Math.max(2, v * height);
      c.fillStyle = color(bins.start[i] < now ? "accent" : "audio");
      c.beginPath();
      c.roundRect(left, (height - high) / 2, Math.max(1, wide > 3 ? wide - 2 : wide), high, Math.min(4, wide / 3));
      c.fill();
    });
  }
  if (wave) wave.addEventListener("pointerdown", (event) => {
    const box = wave.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * span + data.begin);
  });

  // The timeline: lanes on one canvas.
  const plot = $("plot"), canvas = $("canvas"), tip = $("tip"), ghost = $("ghost");
  const AXIS = 18, GAP = 5;
  const lanes = [];
  const lane = (name, height, draw) => lanes.push({ name, height, draw });
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const bins = data.bins;
  function cells(c, x, y, h, values, paint) {
    for (let i = 0; i < values.length; i++) {
      if (!values[i]) continue;
      c.fillStyle = paint;
      c.globalAlpha = values[i];
      c.fillRect(x(bins.start[i]), y, Math.max(1, x(bins.end[i]) - x(bins.start[i]) + 0.4), h);
    }
    c.globalAlpha = 1;
  }
  function blocks(c, x, y, h, items, paint, least) {
    c.fillStyle = paint;
    for (const [a, b] of items) {
      c.beginPath();
      c.roundRect(x(a), y, Math.max(least, x(b) - x(a) - 1), h, Math.min(3, h / 2));
      c.fill();
    }
  }
  const images = data.frames.map(([t, url]) => {
    const image = new Image();
    image.onload = () => schedule();
    image.src = url;
    return [t, image];
  });
  if (images.length)
    lane(data.ui.frames, 46, (c, x, y, h, width) => {
      const first = images[0][1];
      const aspect = first.naturalWidth ? first.naturalWidth / first.naturalHeight : 16 / 9;
      const step = Math.max(26, Math.min(h * aspect, 2 * h));
      for (let left = 0; left < width; left += step) {
        const t = data.begin + ((left + step / 2) / width) * span;
        const image = images[Math.max(0, last(images, t, (f) => f[0]))][1];
        if (!image.naturalWidth) continue;
        const w = Math.min(step - 1, width - left), scale = Math.max(w / image.naturalWidth, h / image.naturalHeight);
        const sw = w / scale, sh = h / scale;
        c.drawImage(image, (image.naturalWidth - sw) / 2, (image.naturalHeight - sh) / 2, sw, sh, left, y, w, h);
      }
    });
  if (data.moments.length)
    lane(data.ui.keyMoments, 10, (c, x, y, h) => blocks(c, x, y, h, data.moments, color("accent"), 4));
  if (data.shots.length)
    lane(data.ui.shots, 12, (c, x, y, h) =>
      data.shots.forEach((s, i) => {
        c.globalAlpha = i % 2 ? 0.45 : 0.8;
        blocks(c, x, y, h, [s], color("faint"), 1);
        c.globalAlpha = 1;
      }));
  for (const label of data.labels)
    lane(label.name, 16, (c, x, y, h, width) => {
      c.fillStyle = color("soft");
      c.fillRect(0, y, width, h);
      cells(c, x, y, h, label.values, color("accent"));
    });
  if (data.loudness.length)
    lane(data.ui.loudness, 30, (c, x, y, h, width) => {
      c.fillStyle = color("audio");
      c.globalAlpha = 0.75;
      data.loudness.forEach((v, i) => {
        const left = x(bins.start[i]), high = Math.max(v > 0 ? 1 : 0, v * h);
        c.fillRect(left, y + h - high, Math.max(1, x(bins.end[i]) - left + 0.3), high);
      });
      c.globalAlpha = 1;
    });
  if (data.cues.length)
    lane(data.ui.spoken, 14, (c, x, y, h) => blocks(c, x, y, h, data.cues, color("text"), 2));
  for (const [kind, values] of Object.entries(data.present))
    lane(data.ui[kind], 8, (c, x, y, h, width) => {
      c.fillStyle = color("soft");
      c.fillRect(0, y, width, h);
      cells(c, x, y, h, values, color(kind));
    });

  const total = lanes.reduce((sum, l) => sum + l.height + Math.max(GAP, 17 - l.height), 0) + AXIS;
  function name() {
    let y = 0;
    for (const l of lanes) {
      const label = document.createElement("span");
      label.textContent = label.title = l.name;
      label.dir = "auto";
      label.style.top = `${y + l.height / 2 - 9}px`;
      label.style.lineHeight = "18px";
      $("names").append(label);
      y += l.height + Math.max(GAP, 17 - l.height);
    }
  }
  function draw() {
    const width = plot.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(total * ratio);
    canvas.style.height = `${total}px`;
    if (wave) drawWave();
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    const x = (t) => ((t - data.begin) / span) * width;
    let y = 0;
    for (const l of lanes) {
      l.draw(c, x, y, l.height, width);
      y += l.height + Math.max(GAP, 17 - l.height);
    }
    c.fillStyle = color("accent-soft");
    const top = images.length ? lanes[0].height + GAP : 0;
    for (const [a, b] of data.moments)
      c.fillRect(x(a), top, Math.max(2, x(b) - x(a)), total - AXIS - top);
    axis(c, x, width);
  }
  function axis(c, x, width) {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    const step = steps.find((s) => (width * s) / span >= 64) || 14400;
    c.fillStyle = color("faint");
    c.font = "11px system-ui, sans-serif";
    for (let t = Math.ceil(data.begin / step) * step; t <= data.duration; t += step) {
      const text = clock(t), w = c.measureText(text).width;
      c.textAlign = x(t) < w / 2 ? "left" : "center";
      if (x(t) + w / 2 <= width) c.fillText(text, x(t), total - 4);
    }
  }
  let queued = false;
  function schedule() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; draw(); });
  }

  const at = (event) => {
    const box = plot.getBoundingClientRect();
    return (Math.min(Math.max(0, event.clientX - box.left), box.width) / box.width) * span + data.begin;
  };
  function hover(event) {
    const t = at(event), width = plot.clientWidth, i = cueAt(t);
    ghost.hidden = tip.hidden = false;
    ghost.style.left = share(t);
    tip.style.left = `${Math.min(Math.max(95, ((t - data.begin) / span) * width), Math.max(95, width - 95))}px`;
    const bin = Math.max(0, last(bins.start, t, (s) => s));
    const best = data.labels.reduce((a, l) => (!a || l.values[bin] > a.values[bin] ? l : a), null);
    const source = picture(t), image = tip.querySelector("img");
    if (image && source) { if (image.src !== source) image.src = source; }
    tip.replaceChildren();
    if (source) { const img = image || new Image(); img.alt = ""; img.src = source; tip.append(img); }
    const line = document.createElement("p"), time = document.createElement("span");
    time.className = "time";
    time.textContent = clock(t);
    line.append(time, best && best.values[bin] ? ` ${best.name} ${Math.round(best.raw[bin] * 100)}%` : "");
    tip.append(line);
    if (i >= 0) {
      const words = document.createElement("p");
      words.dir = "auto";
      words.textContent = data.cues[i][2];
      tip.append(words);
    }
  }
  plot.addEventListener("pointermove", (event) => {
    hover(event);
    if (event.buttons & 1) seek(at(event));
  });
  plot.addEventListener("pointerleave", () => { ghost.hidden = tip.hidden = true; });
  plot.addEventListener("pointerdown", (event) => seek(at(event)));
  plot.addEventListener("keydown", (event) => {
    const by = event.shiftKey ? 10 : 1;
    const to = { ArrowRight: now + by, ArrowLeft: now - by, ArrowUp: now + by, ArrowDown: now - by,
      PageUp: now + 60, PageDown: now - 60, Home: data.begin, End: data.duration }[event.key];
    if (to !== undefined) { event.preventDefault(); seek(to); }
    else if (event.key === " " && mode !== "frames") {
      event.preventDefault();
      if (player.paused) player.play().catch(() => {}); else player.pause();
    }
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-seek], [data-mode]");
    if (!target) return;
    if (target.dataset.mode) {
      setMode(target.dataset.mode);
      if (mode === "video") seek(now);
    } else {
      seek(Number(target.dataset.seek));
      if (target.classList.contains("card"))
        $("screen").scrollIntoView({ block: "nearest" });
    }
  });
  const find = $("find");
  if (find) find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const row of $("cues").children)
      row.hidden = !!wanted && !row.textContent.toLowerCase().includes(wanted);
  });

  player.addEventListener("timeupdate", () => {
    if (mode === "video") show(player.currentTime);
    else if (mode === "reel") show(fromReel(player.currentTime));
  });
  player.addEventListener("error", fail);
  player.addEventListener("loadedmetadata", () => {
    root.dataset.duration = String(player.duration);
    // Some browsers open a film whose pictures they cannot decode, and play the sound alone.
    if (mode === "video" && data.pictured && !player.videoWidth) fail();
    else if (mode === "video" && now) player.currentTime = now;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
  new ResizeObserver(schedule).observe(plot);

  name();
  draw();
  setMode(has("video") ? "video" : has("reel") ? "reel" : "frames");
  if (player.error) fail();  // it may have given up before this script began
  root.dataset.ready = "1";
})();
