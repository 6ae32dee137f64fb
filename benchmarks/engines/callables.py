"""Detectors on ONNX Runtime as users of an `InferencePipeline` write them, with OpenCV and NumPy.

Preprocessing is that of the models' authors: Megvii's `preproc` for YOLOX, Ultralytics' letterbox for YOLO.
"""

import cv2
import numpy as np
import onnxruntime


class Detector:
    """Takes a BGR picture, gives [[class, score, left, top, right, bottom], ...] by falling score.

    `threads` of ONNX Runtime; 0: its own choice, which is one a core.
    """

    def __init__(self, path, threads=0, confidence=0.3, iou_threshold=0.45):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        self._name, (self._height, self._width) = entry.name, entry.shape[2:]
        self._confidence, self._iou_threshold = confidence, iou_threshold

    def __call__(self, image):
        """Detects."""
        tensor, ratio, left, top = self.preprocess(image)
        output = self._session.run(None, {self._name: tensor})[0][0]
        boxes, scores, classes = self.read(output)
        boxes = (boxes - (left, top, left, top)) / ratio
        limits = (image.shape[1], image.shape[0]) * 2
        return self._suppressed(np.clip(boxes, 0, limits), scores, classes)

    def _suppressed(self, boxes, scores, classes):
        if not len(boxes):
            return []
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        kept = cv2.dnn.NMSBoxesBatched(sizes, scores, classes, self._confidence, self._iou_threshold)
        return [[int(classes[i]), float(scores[i]), *boxes[i].tolist()] for i in np.ravel(kept)]


class Yolox(Detector):
    """A YOLOX model whose boxes are not decoded in the graph."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        grids, strides = [], []
        for stride in (8, 16, 32):
            grid = np.stack(np.meshgrid(np.arange(self._width // stride), np.arange(self._height // stride)), 2)
            grids.append(grid.reshape(-1, 2))
            strides.append(np.full((len(grids[-1]), 1), stride))
        self._grid, self._stride = np.concatenate(grids), np.concatenate(strides)

    def preprocess(self, image):
        """BGR, 0 to 255, at the top left, padded with 114."""
        ratio = min(self._height / image.shape[0], self._width / image.shape[1])
        size = int(image.shape[1] * ratio), int(image.shape[0] * ratio)
        padded = np.full((self._height, self._width, 3), 114, np.uint8)
        padded[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        tensor = np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32)
        return tensor[None], ratio, 0, 0

    def read(self, output):
        """Boxes in pixels of the model, scores, classes of the rows that score enough."""
        scores = output[:, 4:5] * output[:, 5:]
        classes = scores.argmax(1)
        scores = scores[np.arange(len(scores)), classes]
        kept = np.flatnonzero(scores > self._confidence)
        centres = (output[kept, :2] + self._grid[kept]) * self._stride[kept]
        halves = np.exp(output[kept, 2:4]) * self._stride[kept] / 2
        return np.concatenate([centres - halves, centres + halves], 1), scores[kept], classes[kept]


class Yolo(Detector):
    """An export of Ultralytics' YOLOv8."""

    def preprocess(self, image):
        """RGB, 0 to 1, in the middle, padded with 114."""
        ratio = min(self._height / image.shape[0], self._width / image.shape[1])
        size = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
        across, down = (self._width - size[0]) / 2, (self._height - size[1]) / 2
        top, bottom = round(down - 0.1), round(down + 0.1)
        left, right = round(across - 0.1), round(across + 0.1)
        resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114, 114, 114))
        tensor = np.ascontiguousarray(padded[..., ::-1].transpose(2, 0, 1)).astype(np.float32) / 255
        return tensor[None], ratio, left, top

    def read(self, output):
        """Boxes in pixels of the model, scores, classes of the rows that score enough."""
        rows = output.T
        classes = rows[:, 4:].argmax(1)
        scores = rows[np.arange(len(rows)), 4 + classes]
        kept = np.flatnonzero(scores > self._confidence)
        centres, halves = rows[kept, :2], rows[kept, 2:4] / 2
        return np.concatenate([centres - halves, centres + halves], 1), scores[kept], classes[kept]


FAMILIES = {"yolox": Yolox, "yolo": Yolo}
