"""COCO (Lin et al., 2014): its 80 classes in the order that detectors number them, the numbers that they have in the
data set itself, and the 17 key points of a person.
"""

from __future__ import annotations

COCO_NAMES: tuple[str, ...] = tuple(
    """
    person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light
    fire hydrant|stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow
    elephant|bear|zebra|giraffe|backpack|umbrella|handbag|tie|suitcase|frisbee
    skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle
    wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange
    broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed
    dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven
    toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|hair drier|toothbrush
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)

# Numbers from 1 to 90 in the data set's files, of which ten were never used; of the classes above, in their order.
COCO_CATEGORIES: tuple[int, ...] = tuple(
    number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
)

COCO_KEYPOINTS: tuple[str, ...] = (
    "nose",
    *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
)
