"""The networks that zoo.py tries: name -> (arguments beside num_classes, size of the images)."""

from typing import Any

VISION = {
    **dict.fromkeys(
        """alexnet vgg11 vgg16 resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 googlenet mobilenet_v1
        mobilenet_v2 mobilenet_v3_small mobilenet_v3_large squeezenet1_0 squeezenet1_1 shufflenet_v2_x0_25
        shufflenet_v2_x1_0 shufflenet_v2_swish""".split(),
        224,
    ),
    "inception_v3": 299,
    "LeNet": 28,
}
RESNET, STDC, HRNET = ({"name": f"paddleseg.{name}"} for name in ("ResNet50_vd", "STDC1", "HRNet_W18"))
KERNEL = {
    "num_classes": 3, "num_ffn_fcs": 2, "num_heads": 8, "num_mask_fcs": 1, "feedforward_channels": 2048,
    "in_channels": 512, "out_channels": 512, "dropout": 0.0, "conv_kernel_size": 1, "ffn_act_cfg": {"type": "ReLU"},
    "with_ffn": True, "feat_transform_cfg": {"act_cfg": None},
    "kernel_updator_cfg": {"in_channels": 256, "feat_channels": 256, "out_channels": 256},
}  # fmt: skip
SMALL = 64  # pixels: the heads of these read maps of an eighth, dense
# name -> arguments beside num_classes, image size
SEG: dict[str, tuple[dict[str, Any], int]] = {
    "ANN": ({"backbone": RESNET}, SMALL),
    "AttentionUNet": ({}, 128),
    "BiSeNetV2": ({}, 128),
    "BiseNetV1": ({"backbone": {"name": "paddleseg.ResNet18_vd", "output_stride": 32}}, 128),
    "CCNet": ({"backbone": RESNET}, SMALL),
    "DANet": ({"backbone": RESNET, "backbone_indices": [2, 3]}, SMALL),
    "DDRNet_23": ({}, 128),
    "DMNet": ({"backbone": RESNET}, SMALL),
    "DNLNet": ({"backbone": RESNET}, SMALL),
    "DecoupledSegNet": ({"backbone": RESNET}, SMALL),
    "DeepLabV3": ({"backbone": RESNET}, SMALL),
    "DeepLabV3P": ({"backbone": RESNET}, SMALL),
    "EMANet": ({"backbone": RESNET}, SMALL),
    "ENCNet": ({"backbone": RESNET}, SMALL),
    "ENet": ({}, 128),
    "ESPNetV1": ({"num_classes": 19}, 128),
    "ESPNetV2": ({}, 128),
    "FCN": ({"backbone": HRNET}, 128),
    "FastFCN": ({"backbone": RESNET}, SMALL),
    "FastSCNN": ({}, 128),
    "GCNet": ({"backbone": RESNET}, SMALL),
    "GINet": ({"backbone": RESNET}, SMALL),
    "GSCNN": ({"backbone": RESNET}, SMALL),
    "GloRe": ({"backbone": RESNET}, SMALL),
    "HarDNet": ({}, 128),
    "ISANet": ({"backbone": RESNET}, SMALL),
    "KNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3], "kernel_update_head_params": KERNEL,
              "kernel_generate_head_params": {"num_convs": 2, "concat_input": True}}, SMALL),
    "LRASPP": ({"backbone": {"name": "paddleseg.MobileNetV3_large_x1_0"}}, 128),
    "LinearSegmenter": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 3}}, 128),
    "MLATransformer": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 12},
                        "in_channels": [768] * 4}, 128),
    "MobileSeg": ({"backbone": {"name": "paddleseg.MobileNetV2_x1_0"}}, 128),
    "OCRNet": ({"backbone": HRNET, "backbone_indices": [0]}, 128),
    "PFPNNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3], "channels": 256}, SMALL),
    "PPHumanSegLite": ({}, 128),
    "PPLiteSeg": ({"backbone": STDC}, 128),
    "PPMobileSeg": ({"backbone": {"name": "paddleseg.MobileSeg_Tiny", "out_feat_chs": [64, 128, 192]}}, 128),
    "PSPNet": ({"backbone": RESNET}, SMALL),
    "PointRend": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, SMALL),
    "PortraitNet": ({"backbone": {"name": "paddleseg.MobileNetV2_x1_0"}}, 128),
    "RTFormer": ({}, 128),
    "SFNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, SMALL),
    "SINet": ({}, 128),
    "STDCSeg": ({"backbone": STDC}, 128),
    "SegFormer": ({"backbone": {"name": "paddleseg.MixVisionTransformer_B0"}, "embedding_dim": 256}, 128),
    "SegNeXt": (
        {
            "backbone": {"name": "paddleseg.MSCAN_T"},
            "decoder_cfg": {"ham_channels": 256, "channels": 256, "ham_kwargs": {"MD_R": 16}},
        },
        128,
    ),
    "SegNet": ({}, 128),
    "SegmentationTransformer": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 4},
                                 "backbone_indices": [0, 1, 2, 3], "head": "naive"}, 128),
    "TopFormer": ({"backbone": {"name": "paddleseg.TopTransformer_Tiny"}}, 128),
    "U2Net": ({}, 64),
    "U2Netp": ({}, 64),
    "UNet": ({}, 128),
    "UNet3Plus": ({}, 64),
    "UNetPlusPlus": ({}, 64),
    "UPerNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, SMALL),
}  # fmt: skip
NETWORKS = {
    **{f"paddle.vision.{name}": ({}, size) for name, size in VISION.items()},
    **{f"paddleseg.{name}": found for name, found in SEG.items()},
}
