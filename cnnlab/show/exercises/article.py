"""The code of the article that lesson 12 checks, to the letter: wrong on purpose, and never imported by the package.

*From ResNet to EfficientNet* (in Chinese), sections 4.1 and 4.2.
"""

BLOCK = """\
import torch
import torch.nn as nn

class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super(ResidualBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding=1, bias=False)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels)
            )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out += self.shortcut(x)
        out = self.relu(out)
        return out
"""
"""Section 4.1.1 of the article, to the letter (but for spaces at the ends of lines)."""

RESNET = """\
import torch
import torch.nn as nn

class ResNet(nn.Module):
    def __init__(self, block, layers, num_classes=1000):
        super(ResNet, self).__init__()
        self.in_channels = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer = self._make_layer(block, layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(block.expansion * self.in_channels, num_classes)

    def _make_layer(self, block, layers):
        layers = list(layers)
        self.layers = layers
        ret = []
        for v in layers:
            if v == -1:
                ret.append(block(self.in_channels, self.in_channels, stride=2))
                self.in_channels = self.in_channels * 2
            else:
                ret.append(block(self.in_channels, self.in_channels, stride=1))
                self.in_channels = self.in_channels * 2
        return nn.Sequential(*ret)

    def forward(self, x):
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.maxpool(x)
        x = self.layer(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        x = self.fc(x)
        return x
"""
"""Section 4.1.2."""

EFFICIENTNET = """\
import torch
import torch.nn as nn

class EfficientNet(nn.Module):
    def __init__(self, block, layers, num_classes=1000):
        super(EfficientNet, self).__init__()
        self.in_channels = 3
        self.conv_stem = nn.Sequential(
            nn.Conv2d(self.in_channels, 16, kernel_size=3, stride=2, padding=1, groups=self.in_channels),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 24, kernel_size=3, stride=2, padding=1, groups=self.in_channels),
            nn.BatchNorm2d(24),
            nn.ReLU6(inplace=True)
        )
        self.conv_body = self._make_body(block, layers)
        self.conv_head = nn.Sequential(
            nn.Conv2d(block.expansion * self.in_channels, 128, kernel_size=1, stride=1, padding=0, bias=True),
            nn.BatchNorm2d(128),
            nn.ReLU6(inplace=True),
            nn.Conv2d(128, num_classes, kernel_size=1, stride=1, padding=0, bias=True),
            nn.BatchNorm2d(num_classes),
            nn.ReLU6(inplace=True)
        )

    def _make_body(self, block, layers):
        layers = list(layers)
        self.layers = layers
        ret = []
        for v in layers:
            if v == -1:
                ret.append(block(self.in_channels, block.expansion * self.in_channels, stride=2))
                self.in_channels = block.expansion * self.in_channels
            else:
                ret.append(block(self.in_channels, block.expansion * self.in_channels, stride=1))
                self.in_channels = block.expansion * self.in_channels
        return nn.Sequential(*ret)

    def forward(self, x):
        x = self.conv_stem(x)
        x = self.conv_body(x)
        x = self.conv_head(x)
        return x
"""
"""Section 4.2.1."""
