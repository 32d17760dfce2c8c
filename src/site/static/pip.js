// Picture-in-picture. Browsers support it for videos only, so the picture is drawn on a canvas, whose stream is a video.
import { absolute } from "./page.js";

const FPS = 30;

export const hasPip = !!document.pictureInPictureEnabled && !!HTMLCanvasElement.prototype.captureStream;

let open; // [camera, video, worker] of the open window

function draw(pen, camera) {
  const source = camera.shownFrame();
  if (!source) return;
  const { turn, h, v } = camera.turned();
  const [width, height] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
  const { canvas } = pen;
  const [across, down] = turn % 180 ? [height, width] : [width, height];
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  pen.setTransform(1, 0, 0, 1, across / 2, down / 2);
  pen.rotate((turn * Math.PI) / 180);
  pen.scale(h ? -1 : 1, v ? -1 : 1);
  pen.drawImage(source, -width / 2, -height / 2);
}

// Returns the camera in the window, if it is open.
export const inPip = () => open?.[0];

// Opens the window, or closes it if it shows this camera.
export async function togglePip(camera) {
  if (document.pictureInPictureElement) {
    const same = inPip() === camera;
    await document.exitPictureInPicture();
    if (same) return;
  }
  const pen = document.createElement('canvas').getContext('2d');
  draw(pen, camera);
  const video = Object.assign(document.createElement('video'), { muted: true, srcObject: pen.canvas.captureStream() });
  // Timers of a hidden page fire once per second only, those of a worker at full rate.
  const worker = new Worker(absolute('ticks.js'));
  worker.onmessage = () => draw(pen, camera);
  worker.postMessage(1000 / FPS);
  video.onleavepictureinpicture = () => {
    worker.terminate();
    video.srcObject.getTracks().forEach((track) => track.stop());
    if (open?.[1] === video) open = null;
  };
  try {
    await video.play();
    await video.requestPictureInPicture();
    open = [camera, video, worker];
  } catch (error) {
    worker.terminate();
    throw `Picture-in-picture failed: ${error.message}`;
  }
}
